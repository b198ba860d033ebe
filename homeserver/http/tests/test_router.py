"""From a path to its endpoint."""

from collections.abc import Sequence

import pytest

from homeserver.http.endpoint import Auth, Endpoint, Limit, endpoint, endpoints_of
from homeserver.http.router import Router
from homeserver.protocol.errors import InvalidParam, Unrecognized, WrongMethod


class Rooms:
    @endpoint("GET", "/rooms/(all|every)", auth=Auth.NONE, limit=Limit.NONE)
    async def all(self) -> None: ...

    @endpoint("GET", "/rooms/{room}", auth=Auth.NONE, limit=Limit.NONE)
    async def get(self, room: str) -> None: ...

    @endpoint("PUT", "/rooms/{room}", auth=Auth.NONE, limit=Limit.NONE)
    async def put(self, room: str) -> None: ...

    @endpoint("GET", "/rooms/all/state", auth=Auth.NONE, limit=Limit.NONE)
    async def all_state(self) -> None: ...

    @endpoint(
        "GET", "/rooms/{room}/state/{type}/{key}", "/{room}/{type}/x/{key}", auth=Auth.NONE, limit=Limit.NONE
    )
    async def state(self, room: str, type: str, key: str) -> None: ...


ROUTER = Router(endpoints_of(Rooms()))


def found(method: str, path: str) -> tuple[str, dict[str, str]]:
    endpoint, values = ROUTER.find(method, path)
    return endpoint.name.removeprefix("Rooms."), values


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/rooms/all", ("all", {})),
        ("GET", "/rooms/every", ("all", {})),
        ("GET", "/rooms/other", ("get", {"room": "other"})),
        ("HEAD", "/rooms/other", ("get", {"room": "other"})),
        ("PUT", "/rooms/other", ("put", {"room": "other"})),
        ("GET", "/rooms/all/state", ("all_state", {})),
        # What a literal leads to in vain, a parameter may lead to.
        ("GET", "/rooms/all/state/m.x/key", ("state", {"room": "all", "type": "m.x", "key": "key"})),
        # Each path has its own order of parameters.
        ("GET", "/!r:x/m.x/x/key", ("state", {"room": "!r:x", "type": "m.x", "key": "key"})),
        # An empty segment is a value, as in the state key of most state.
        ("GET", "/rooms/r/state/m.x/", ("state", {"room": "r", "type": "m.x", "key": ""})),
    ],
)
def test_finds(method: str, path: str, expected: tuple[str, dict[str, str]]) -> None:
    assert found(method, path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/rooms",
        "/rooms/r/",
        "/rooms/r/state",
        "/rooms/all/state/",
        "//rooms/all",
        "/ROOMS/all",
        "/rooms/r/x",
    ],
)
def test_paths_that_nobody_has(path: str) -> None:
    with pytest.raises(Unrecognized):
        ROUTER.find("GET", path)


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/rooms/r"), ("POST", "/rooms/all/state"), ("get", "/rooms/r"), ("HEAD", "/only")],
)
def test_methods_that_a_path_does_not_have(method: str, path: str) -> None:
    class Only:
        @endpoint("POST", "/only", auth=Auth.NONE, limit=Limit.NONE)
        async def post(self) -> None: ...

    with pytest.raises(WrongMethod) as error:
        Router([*endpoints_of(Rooms()), *endpoints_of(Only())]).find(method, path)
    assert error.value.status == 405


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("%21a%3Atest", "!a:test"),
        ("%2F", "/"),
        ("a%2Fb", "a/b"),
        ("%61ll", "all"),
        ("%C3%A9", "é"),
        ("%F0%9F%8F%A0", "🏠"),
        ("a+b", "a+b"),
        ("%2541", "%41"),
        ("100%", "100%"),
        ("%zz", "%zz"),
    ],
)
def test_percent_encoding(raw: str, decoded: str) -> None:
    assert found("GET", f"/rooms/{raw}") == ("get", {"room": decoded})


@pytest.mark.parametrize("raw", ["%FF", "%C3", "%ED%A0%80", "%00", "a%00b"])
def test_what_is_no_text(raw: str) -> None:
    with pytest.raises(InvalidParam):
        ROUTER.find("GET", f"/rooms/{raw}")


def test_two_that_declare_the_same() -> None:
    class Other:
        @endpoint("GET", "/rooms/{name}", auth=Auth.NONE, limit=Limit.NONE)
        async def get(self, name: str) -> None: ...

    both: Sequence[Endpoint] = [*endpoints_of(Rooms()), *endpoints_of(Other())]
    with pytest.raises(TypeError, match=r"Other\.get and Rooms\.get both declare GET /rooms/{name}"):
        Router(both)


def test_two_of_the_same_name() -> None:
    with pytest.raises(TypeError, match=r"There are two endpoints Rooms\.all"):
        Router([*endpoints_of(Rooms()), *endpoints_of(Rooms())])
