"""Conditions of push rules: whether an event is what a rule is about.

https://spec.matrix.org/v1.19/client-server-api/#conditions-1
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from homeserver.protocol.filters import path_keys
from homeserver.protocol.globs import Glob
from homeserver.protocol.json import MAX_INTEGER, JsonObject, JsonValue

OWN_USER_ID: Final = object()
"""Stands, in conditions of default rules, for the ID of the user whose rules they are."""

_BODY = ("content", "body")
_COUNT = re.compile(r"(==|<=|>=|<|>|)([0-9]{1,18})")
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "": int.__eq__,
    "==": int.__eq__,
    "<": int.__lt__,
    ">": int.__gt__,
    "<=": int.__le__,
    ">=": int.__ge__,
}
_ABSENT = object()


class Recipient(NamedTuple):
    """For whom an event is judged."""

    user_id: str
    display_name: str | None


class PushedEvent(NamedTuple):
    """An event as conditions see it; `json` is the client form, with `room_id`.

    `member_count` and `sender_may_notify` (by the key in `notifications` of the power levels) are called only
    where a condition needs them.
    """

    json: JsonObject
    member_count: Callable[[], int]
    sender_may_notify: Callable[[str], bool]

    def property(self, path: tuple[str, ...]) -> JsonValue:
        value: Any = self.json
        for key in path:
            if type(value) is not dict or key not in value:
                return _ABSENT
            value = value[key]
        return value


Condition: TypeAlias = Callable[[PushedEvent, Recipient | None], bool]
"""Whether it holds. With no recipient, what depends on who it is does not."""


def compile_condition(condition: JsonObject) -> Condition:
    """Conditions that are malformed or of unknown kind never hold, as the specification asks."""
    compiler = _KINDS.get(str(condition.get("kind")))
    compiled = None if compiler is None else compiler(condition)
    return _never if compiled is None else compiled


def is_costly(condition: JsonObject) -> bool:
    """Whether more than the event must be looked at."""
    return condition.get("kind") in ("room_member_count", "sender_notification_permission")


def asks_display_name(condition: JsonObject) -> bool:
    return condition.get("kind") == "contains_display_name"


def _never(event: PushedEvent, recipient: Recipient | None) -> bool:
    return False


def _event_match(condition: JsonObject) -> Condition | None:
    key, pattern = condition.get("key"), condition.get("pattern")
    if not isinstance(key, str):
        return None
    path = tuple(path_keys(key))
    if pattern is OWN_USER_ID:
        return lambda event, recipient: recipient is not None and event.property(path) == recipient.user_id
    if not isinstance(pattern, str):
        return None
    glob = Glob(pattern)
    fits = glob.matches_words if path == _BODY else glob.matches

    def holds(event: PushedEvent, recipient: Recipient | None) -> bool:
        value = event.property(path)
        return isinstance(value, str) and fits(value)

    return holds


def _event_property_is(condition: JsonObject) -> Condition | None:
    key, value = condition.get("key"), condition.get("value", _ABSENT)
    if not isinstance(key, str) or not _is_simple(value):
        return None
    path = tuple(path_keys(key))
    return lambda event, recipient: _is_same(event.property(path), value)


def _event_property_contains(condition: JsonObject) -> Condition | None:
    key, value = condition.get("key"), condition.get("value", _ABSENT)
    if not isinstance(key, str) or not (value is OWN_USER_ID or _is_simple(value)):
        return None
    path = tuple(path_keys(key))

    def holds(event: PushedEvent, recipient: Recipient | None) -> bool:
        wanted = value
        if value is OWN_USER_ID:
            if recipient is None:
                return False
            wanted = recipient.user_id
        items = event.property(path)
        return isinstance(items, list) and any(_is_same(item, wanted) for item in items)

    return holds


def _is_simple(value: JsonValue) -> bool:
    if type(value) is int:
        return -MAX_INTEGER <= value <= MAX_INTEGER
    return value is None or type(value) in (str, bool)


def _is_same(value: JsonValue, wanted: JsonValue) -> bool:
    # In Python, True == 1.
    return type(value) is type(wanted) and bool(value == wanted)


def _contains_display_name(condition: JsonObject) -> Condition:
    def holds(event: PushedEvent, recipient: Recipient | None) -> bool:
        if recipient is None or not recipient.display_name:
            return False
        body = event.property(_BODY)
        return isinstance(body, str) and contains_words(body, recipient.display_name)

    return holds


def contains_words(text: str, words: str) -> bool:
    """Whether `words`, in which nothing is special, begin and end at boundaries of words in `text`."""
    pattern = rf"(?<!(?-i:[A-Za-z0-9_])){re.escape(words)}(?!(?-i:[A-Za-z0-9_]))"
    return re.search(pattern, text, re.IGNORECASE) is not None


def _room_member_count(condition: JsonObject) -> Condition | None:
    found = _COUNT.fullmatch(str(condition.get("is")))
    if found is None:
        return None
    compare, number = _COMPARISONS[found[1]], int(found[2])
    return lambda event, recipient: compare(event.member_count(), number)


def _sender_notification_permission(condition: JsonObject) -> Condition | None:
    key = condition.get("key")
    if not isinstance(key, str):
        return None
    return lambda event, recipient: event.sender_may_notify(key)


_KINDS: dict[str, Callable[[JsonObject], Condition | None]] = {
    "contains_display_name": _contains_display_name,
    "event_match": _event_match,
    "event_property_contains": _event_property_contains,
    "event_property_is": _event_property_is,
    "room_member_count": _room_member_count,
    "sender_notification_permission": _sender_notification_permission,
}
