"""Declarations: what is made of them, and which ones fail at start."""

from typing import Any

import pytest

from homeserver.http.endpoint import (
    DEFAULT_MAX_BODY,
    Auth,
    Caller,
    Endpoint,
    Limit,
    Upload,
    endpoint,
    endpoints_of,
)
from homeserver.http.requester import Requester
from homeserver.protocol.json import JsonObject


def the_one(owner: object) -> Endpoint:
    (found,) = endpoints_of(owner)
    return found


class Things:
    """Declares."""

    @endpoint(
        "PUT",
        "/_matrix/client/(v3|r0)/(a|b)/{thing}",
        "/old/{thing}",
        auth=Auth.GUEST,
        limit=Limit.MESSAGES,
        replay_by="thing",
        max_body=5,
    )
    async def put(self, requester: Requester, caller: Caller, thing: str, body: JsonObject) -> str:
        """Puts a thing.

        And more of it.
        """
        return thing

    def not_declared(self) -> None: ...

    @endpoint("GET", "/things", auth=Auth.NONE, limit=Limit.NONE, waits=True)
    async def all(self) -> list[str]:
        return []


class Uploads:
    largest = 7

    @endpoint("PUT", "/upload", auth=Auth.NONE, limit=Limit.NONE, max_body=lambda owner: owner.largest)
    async def put(self, upload: Upload) -> None: ...


def test_what_a_setting_limits() -> None:
    (put,) = endpoints_of(Uploads())
    assert put.max_body == 7


def test_everything_is_taken_from_the_declaration() -> None:
    put, everything = endpoints_of(Things())
    assert put.name == "Things.put"
    assert put.paths == (
        "/_matrix/client/v3/a/{thing}",
        "/_matrix/client/v3/b/{thing}",
        "/_matrix/client/r0/a/{thing}",
        "/_matrix/client/r0/b/{thing}",
        "/old/{thing}",
    )
    assert (put.method, put.auth, put.limit, put.replay_by) == ("PUT", Auth.GUEST, Limit.MESSAGES, "thing")
    assert (put.max_body, put.waits) == (5, False)
    assert put.summary == "Puts a thing."
    assert put.returns is str
    assert put.parameters["thing"] is str
    assert (everything.name, everything.waits, everything.max_body) == ("Things.all", True, DEFAULT_MAX_BODY)
    assert everything.summary == ""


def test_calls_are_bound_to_the_object() -> None:
    class Counter:
        def __init__(self, start: int) -> None:
            self.start = start

        @endpoint("GET", "/count", auth=Auth.NONE, limit=Limit.NONE)
        async def count(self) -> int:
            return self.start

    calls = [the_one(Counter(start)).call() for start in (3, 4)]
    found: list[Any] = []
    for call in calls:
        with pytest.raises(StopIteration) as ended:
            call.send(None)
        found.append(ended.value.value)
    assert found == [3, 4]


def test_a_parameter_that_is_not_in_the_path() -> None:
    class Wrong:
        @endpoint("GET", "/things", auth=Auth.NONE, limit=Limit.NONE)
        async def get(self, thing: str) -> None: ...

    with pytest.raises(TypeError, match=r"Wrong\.get: /things .*differ: \{'thing'\}"):
        the_one(Wrong())


def test_a_place_in_the_path_that_is_no_parameter() -> None:
    class Wrong:
        @endpoint("GET", "/things/{thing}", "/things/{other}", auth=Auth.NONE, limit=Limit.NONE)
        async def get(self, thing: str) -> None: ...

    with pytest.raises(TypeError, match=r"/things/\{other\}"):
        the_one(Wrong())


def test_nothing_to_replay_by() -> None:
    class Wrong:
        @endpoint("PUT", "/things/{thing}", auth=Auth.USER, limit=Limit.NONE, replay_by="txn_id")
        async def put(self, thing: str) -> None: ...

    with pytest.raises(TypeError, match="no parameter txn_id"):
        the_one(Wrong())


def test_auth_and_limit_cannot_be_forgotten() -> None:
    declare: Any = endpoint
    with pytest.raises(TypeError):
        declare("GET", "/things", limit=Limit.NONE)
    with pytest.raises(TypeError):
        declare("GET", "/things", auth=Auth.NONE)
