"""Anything at all, sent to every endpoint: answered, and never by a 500.

FOLKMOOT_TEST_EXAMPLES sets how many requests are made to each; with it, they are other ones at every run.
"""

import json
import os
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from urllib.parse import quote

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.client import Answer
from tests.targets import Target, TargetTestCase
from tests.wire import each

_EXAMPLES = os.environ.get("FOLKMOOT_TEST_EXAMPLES")

_LIMITED = settings(
    max_examples=int(_EXAMPLES or 15),
    derandomize=_EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # The whole request is shown, and each is made on what the ones before left behind.
    phases=(Phase.generate,),
)

_WORDS = st.sampled_from(
    [
        *("", "x", "\x00", "é", "\U0001f408", "@alice:test", "!x:test", "#x:test", "$x", "s1", "s-1", "true"),
        *("join", "b", "m.login.dummy", "m.room.member", "1e9", "9" * 30, "x" * 300, "{}", "[]", "null"),
    ]
)
_TEXTS = st.one_of(_WORDS, st.text(max_size=20))
_NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**400]),
    st.floats(allow_nan=False, allow_infinity=False),
)
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXTS, inner, max_size=3)),
    max_leaves=8,
)


# What means something in events, account data, filters and profiles.
_NAMES = st.sampled_from(
    ["membership", "displayname", "redacts", "m.relates_to", "users", "room", "timeline", "limit", "tags"]
)
_OBJECTS = st.dictionaries(st.one_of(_NAMES, _TEXTS), _JSON, max_size=4)
_PLAIN = {str: _TEXTS, int: st.integers(), bool: st.booleans(), dict: _OBJECTS, type(None): st.none()}


def fitting(kind: Any) -> st.SearchStrategy[Any]:
    """JSON that a type accepts, as far as its shape goes; now and then with parts of another shape."""
    kind = getattr(kind, "__supertype__", kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return fitting(arguments[0])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of([fitting(argument) for argument in arguments])
    if origin is list:
        return st.lists(loosely(arguments[0]), max_size=3)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _structs(kind)
    return _PLAIN.get(origin or kind, _JSON)


def _structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[dict[str, Any]]:
    fields = msgspec.structs.fields(kind)
    required = {field.encode_name: loosely(field.type) for field in fields if field.required}
    optional = {field.encode_name: loosely(field.type) for field in fields if not field.required}
    complete = st.fixed_dictionaries(required, optional=optional)
    return st.one_of(complete, complete, st.fixed_dictionaries({}, optional=required | optional))


def loosely(kind: Any) -> st.SearchStrategy[Any]:
    return st.one_of(fitting(kind), fitting(kind), fitting(kind), _JSON)


def bodies(kind: Any) -> st.SearchStrategy[bytes]:
    """JSON of about the right shape, of any shape, and what is no JSON."""
    return st.one_of(fitting(kind).map(_encoded), _JSON.map(_encoded), st.binary(max_size=20))


def queries(kind: Any) -> st.SearchStrategy[list[tuple[str, str]]]:
    if kind is None or get_origin(kind) is dict:
        return st.lists(st.tuples(_NAMES, _TEXTS), max_size=2)
    return _structs(kind).map(lambda wish: [(name, _in_query(value)) for name, value in wish.items()])


def _in_query(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def paths(names: list[str]) -> st.SearchStrategy[dict[str, str]]:
    """Parameters in the place of those that would lead somewhere: mostly none."""
    if not names:
        return st.just({})
    others = st.dictionaries(st.sampled_from(names), _TEXTS, max_size=2)
    return st.one_of(st.just({}), st.just({}), st.just({}), others)


def _encoded(value: Any) -> bytes:
    # Lone surrogates are escaped, as some clients would send them.
    return json.dumps(value).encode()


class FuzzTests(TargetTestCase):
    def test_every_endpoint(self) -> None:
        each(self.check, self.newest())

    def check(self, target: Target) -> None:
        names = sorted(target.endpoint.parameters.keys() - {"requester", "caller", "body", "query"})
        # By the requests before, Alice may have been locked, slowed down, logged out, or have left the room.
        for what, field in (("lock", "locked"), ("suspend", "suspended")):
            self.admin.put(f"/_matrix/client/v1/admin/{what}/{self.alice.user_id}", {field: False})
        self.admin.delete(f"/_synapse/admin/v1/users/{self.alice.user_id}/override_ratelimit")
        self.alice = self.log_in(self.alice, self.alice.device_id)
        self.values["room_id"] = self.values["room_id_or_alias"] = self.alice.create_room()
        self.values["event_id"] = self.alice.send(self.values["room_id"], "hello")

        @_LIMITED
        @given(
            paths(names),
            queries(target.endpoint.parameters.get("query")),
            bodies(target.body),
        )
        def request(path: dict[str, str], query: list[tuple[str, str]], body: bytes) -> None:
            encoded = {name: quote(value, safe="") for name, value in path.items() if value}
            exchange = self.for_caller(target).start(
                target.method,
                target.path(**encoded),
                body,
                query=[(name, value.encode("utf-8", "replace")) for name, value in query],
            )
            answer = exchange.answer
            if answer is None:
                exchange.hang_up()
            else:
                self.check_answer(answer)

        request()

    def check_answer(self, answer: Answer) -> None:
        if answer.status == 502:
            # A server was named that nobody reaches.
            self.assertEqual(answer.error, (502, "M_UNKNOWN"))
            return
        self.assertLess(answer.status, 500, answer.body)
        # Pages for people have no error code.
        if answer.status < 400 or answer.headers["content-type"] != "application/json":
            return
        # What asks for more authentication has no error yet.
        self.assertTrue("errcode" in answer.json or "flows" in answer.json, answer.body)
        if answer.json.get("errcode") == "M_UNKNOWN_TOKEN":
            self.alice = self.log_in(self.alice, self.alice.device_id)
