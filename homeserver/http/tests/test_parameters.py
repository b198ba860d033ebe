"""From text to arguments, and every way in which it can fail."""

from typing import Any, Literal

import msgspec
import pytest

from homeserver.http.endpoint import Auth, Form, Limit, endpoint, endpoints_of
from homeserver.http.parameters import ArgumentReader
from homeserver.protocol.errors import BadJson, InvalidParam, MatrixError, MissingParam, NotJson
from homeserver.protocol.identifiers import RoomAlias, RoomID, UserID
from homeserver.protocol.json import JsonObject


class Query(msgspec.Struct):
    limit: int = 10
    dir: Literal["f", "b"] = "f"
    full: bool = False
    name: str | None = None
    via: list[str] = []
    maybe: list[str] | None = None
    from_: str | None = msgspec.field(name="from", default=None)


class Needed(msgspec.Struct):
    limit: int


class Body(msgspec.Struct):
    name: str
    age: int | None = None


class Optional(msgspec.Struct):
    name: str | None = None


class Choice(Form, frozen=True):
    token: str
    count: int = 1


class Endpoints:
    @endpoint("GET", "/query", auth=Auth.NONE, limit=Limit.NONE)
    async def query(self, query: Query) -> None: ...

    @endpoint("GET", "/needed", auth=Auth.NONE, limit=Limit.NONE)
    async def needed(self, query: Needed) -> None: ...

    @endpoint("PUT", "/body", auth=Auth.NONE, limit=Limit.NONE)
    async def body(self, body: Body) -> None: ...

    @endpoint("PUT", "/optional", auth=Auth.NONE, limit=Limit.NONE)
    async def optional(self, body: Optional) -> None: ...

    @endpoint("POST", "/form", auth=Auth.NONE, limit=Limit.NONE)
    async def form(self, body: Choice) -> None: ...

    @endpoint("PUT", "/free", auth=Auth.NONE, limit=Limit.NONE)
    async def free(self, body: JsonObject) -> None: ...

    @endpoint("GET", "/nothing", auth=Auth.NONE, limit=Limit.NONE)
    async def nothing(self) -> None: ...

    @endpoint("GET", "/{user}/{room}/{alias}/{word}", auth=Auth.NONE, limit=Limit.NONE)
    async def path(self, user: UserID, room: RoomID, alias: RoomAlias, word: str) -> None: ...


READERS = {declared.name.split(".")[1]: ArgumentReader(declared) for declared in endpoints_of(Endpoints())}


def read(
    name: str,
    path: dict[str, str] | None = None,
    query: dict[bytes, list[bytes]] | None = None,
    body: bytes = b"",
) -> dict[str, Any]:
    return READERS[name].read(path or {}, query or {}, body)


def query(**given: bytes | list[bytes]) -> Query:
    lists = {name.encode(): value if isinstance(value, list) else [value] for name, value in given.items()}
    found: Query = read("query", query=lists)["query"]
    return found


class TestQuery:
    def test_defaults(self) -> None:
        assert query() == Query()

    def test_types(self) -> None:
        found = query(limit=b"5", dir=b"b", full=b"true", name=b"7", via=b"x")
        assert found == Query(limit=5, dir="b", full=True, name="7", via=["x"])

    def test_text_stays_text(self) -> None:
        for text in ("null", "true", "1", "", "é"):
            assert query(name=text.encode()).name == text

    def test_names_that_are_keywords(self) -> None:
        assert query(**{"from": b"s1"}).from_ == "s1"

    def test_the_last_of_several_counts_unless_it_is_a_list(self) -> None:
        found = query(limit=[b"1", b"2"], via=[b"a", b"b"], maybe=[b"c", b"d"])
        assert (found.limit, found.via, found.maybe) == (2, ["a", "b"], ["c", "d"])

    def test_unknown_ones_are_ignored(self) -> None:
        assert query(org_example=b"x") == Query()

    @pytest.mark.parametrize(
        "given",
        [
            {b"limit": [b"many"]},
            {b"limit": [b"1.5"]},
            {b"limit": [b""]},
            {b"dir": [b"x"]},
            {b"full": [b"maybe"]},
            {b"name": [b"\xff"]},
            {b"\xff": [b"x"]},
        ],
    )
    def test_errors(self, given: dict[bytes, list[bytes]]) -> None:
        with pytest.raises(InvalidParam):
            read("query", query=given)

    def test_missing(self) -> None:
        with pytest.raises(MissingParam, match="limit"):
            read("needed")


class TestBody:
    def test_types(self) -> None:
        assert read("body", body=b'{"name": "a", "age": 3, "more": []}')["body"] == Body("a", 3)

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            (b"", NotJson),
            (b"{", NotJson),
            (b"nonsense", NotJson),
            (b'{"name": "a"} x', NotJson),
            (b'{"name": "\xff"}', NotJson),
            (b'{"name": "a", "unknown": "\xff"}', NotJson),
            (b'{"name": "\\ud800"}', NotJson),
            (b'{"name": NaN}', NotJson),
            (b'{"x":' + b"[" * 100_000, NotJson),
            (b"[]", BadJson),
            (b'"text"', BadJson),
            (b"null", BadJson),
            (b'{"name": 5}', BadJson),
            (b'{"name": "a", "age": "3"}', BadJson),
            (b'{"name": "a", "age": 3.5}', BadJson),
            (b"{}", MissingParam),
            (b'{"age": 3}', MissingParam),
        ],
    )
    def test_errors(self, body: bytes, error: type[MatrixError]) -> None:
        with pytest.raises(error) as caught:
            read("body", body=body)
        assert type(caught.value) is error
        assert caught.value.status == 400

    def test_none_at_all_where_everything_is_optional(self) -> None:
        assert read("optional")["body"] == Optional()
        assert read("optional", body=b'{"name": "a"}')["body"] == Optional("a")
        with pytest.raises(NotJson):
            read("optional", body=b" ")

    def test_free_objects(self) -> None:
        assert read("free", body=b'{"a": [1, null]}')["body"] == {"a": [1, None]}

    @pytest.mark.parametrize(
        ("body", "error"),
        [(b"", NotJson), (b"x", NotJson), (b"[" * 100_000, NotJson), (b"[]", BadJson), (b"1", BadJson)],
    )
    def test_errors_in_free_objects(self, body: bytes, error: type[MatrixError]) -> None:
        with pytest.raises(error):
            read("free", body=body)

    def test_forms(self) -> None:
        assert read("form", body=b"token=a+b%26&count=2&more=x")["body"] == Choice(token="a b&", count=2)

    @pytest.mark.parametrize(
        ("body", "error"),
        [(b"", MissingParam), (b"token=a&count=x", InvalidParam), (b"token=\xff", InvalidParam)],
    )
    def test_errors_in_forms(self, body: bytes, error: type[MatrixError]) -> None:
        with pytest.raises(error):
            read("form", body=body)

    def test_one_that_nobody_asked_for(self) -> None:
        assert read("nothing", body=b"whatever \xff", query={b"x": [b"\xff"]}) == {}


class TestPath:
    GOOD = {"user": "@a:x", "room": "!r:x", "alias": "#a:x", "word": "anything: @"}  # noqa: RUF012 -- never changed

    def test_good(self) -> None:
        assert read("path", self.GOOD.copy()) == self.GOOD

    @pytest.mark.parametrize(
        ("name", "value"), [("user", "a"), ("room", "@a:x"), ("alias", "#a"), ("user", "")]
    )
    def test_errors(self, name: str, value: str) -> None:
        with pytest.raises(InvalidParam):
            read("path", {**self.GOOD, name: value})
