"""Filters: what a client wants to be told.

https://spec.matrix.org/v1.19/client-server-api/#filtering
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, Protocol, TypeAlias, TypeVar

import msgspec

from homeserver.protocol.errors import BadJson
from homeserver.protocol.json import JsonObject, JsonValue

_F = TypeVar("_F", bound=msgspec.Struct)
_Limit: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class Filterable(Protocol):
    """What an event filter asks of an event."""

    @property
    def type(self) -> str: ...

    @property
    def sender(self) -> str: ...

    @property
    def content(self) -> JsonObject: ...


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events, by type and sender; None where everything passes."""

    limit: _Limit | None = None
    types: tuple[str, ...] | None = None
    not_types: tuple[str, ...] = ()
    senders: tuple[str, ...] | None = None
    not_senders: tuple[str, ...] = ()

    def passes(self, type_: str, sender: str | None = None) -> bool:
        """Whether an event of the type passes; account data and the like have no sender."""
        if self.types is not None and not _matches_any(self.types, type_):
            return False
        if self.senders is not None and sender is not None and sender not in self.senders:
            return False
        if sender in self.not_senders:
            return False
        return not self.not_types or not _matches_any(self.not_types, type_)

    def matches(self, event: Filterable) -> bool:
        return self.passes(event.type, event.sender)


class RoomEventFilter(EventFilter, frozen=True, kw_only=True):
    """Which events of rooms, and which member events go with them."""

    rooms: tuple[str, ...] | None = None
    not_rooms: tuple[str, ...] = ()
    contains_url: bool | None = None
    lazy_load_members: bool = False
    include_redundant_members: bool = False
    unread_thread_notifications: bool = False
    unread_thread_notifications_msc3773: bool = msgspec.field(
        name="org.matrix.msc3773.unread_thread_notifications", default=False
    )
    """The same, as clients name it that know it from the proposal."""
    related_by_senders: tuple[str, ...] | None = None
    """Only events to which one of these users made a relation (MSC3440); the caller knows relations."""
    related_by_rel_types: tuple[str, ...] | None = None
    """Only events to which there is a relation of one of these types (MSC3440)."""

    def matches(self, event: Filterable) -> bool:
        """Looks at the event alone: `includes` decides on the room, the caller on relations."""
        if not self.passes(event.type, event.sender):
            return False
        return self.contains_url is None or self.contains_url == ("url" in event.content)

    @property
    def asks_relations(self) -> bool:
        """Whether it depends on what relates to an event if it passes."""
        return self.related_by_rel_types is not None or self.related_by_senders is not None

    @property
    def counts_threads(self) -> bool:
        """Whether unread events are to be counted for each thread."""
        return self.unread_thread_notifications or self.unread_thread_notifications_msc3773

    def includes(self, room_id: str) -> bool:
        """Whether events of the room are wanted."""
        return _includes(self.rooms, self.not_rooms, room_id)


class RoomFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What of rooms; `includes` comes before the filters inside."""

    rooms: tuple[str, ...] | None = None
    not_rooms: tuple[str, ...] = ()
    include_leave: bool = False
    account_data: RoomEventFilter = RoomEventFilter()
    ephemeral: RoomEventFilter = RoomEventFilter()
    state: RoomEventFilter = RoomEventFilter()
    timeline: RoomEventFilter = RoomEventFilter()

    def includes(self, room_id: str) -> bool:
        """Whether anything of the room is wanted."""
        return _includes(self.rooms, self.not_rooms, room_id)

    def without(self, rooms: Iterable[str]) -> "RoomFilter":
        """The same filter that wants nothing of these rooms either."""
        return msgspec.structs.replace(self, not_rooms=(*self.not_rooms, *rooms))


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What a client wants of /sync."""

    account_data: EventFilter = EventFilter()
    presence: EventFilter = EventFilter()
    room: RoomFilter = RoomFilter()
    event_fields: tuple[str, ...] | None = None
    """Paths of what is wanted of each event, for `only_fields`."""
    event_format: Literal["client", "federation"] = "client"


def parse_filter(value: JsonValue) -> Filter:
    """Raises BadJson; keys that are not of the specification are ignored."""
    return _converted(value, Filter)


def parse_room_event_filter(value: JsonValue) -> RoomEventFilter:
    """The filter of /messages, /context and /search. Raises BadJson."""
    return _converted(value, RoomEventFilter)


def only_fields(event: JsonObject, paths: Sequence[str]) -> JsonObject:
    """The part of `event` that dot-separated `paths` name.

    https://spec.matrix.org/v1.19/appendices/#dot-separated-property-paths
    """
    selected: JsonObject = {}
    for path in paths:
        _copy_field(event, selected, path_keys(path))
    return selected


def _converted(value: JsonValue, kind: type[_F]) -> _F:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadJson(f"Not a filter: {error}") from None


def _includes(rooms: Sequence[str] | None, not_rooms: Sequence[str], room_id: str) -> bool:
    return room_id not in not_rooms and (rooms is None or room_id in rooms)


def _matches_any(patterns: Sequence[str], text: str) -> bool:
    return any(pattern == text or ("*" in pattern and _matches(pattern, text)) for pattern in patterns)


def _matches(pattern: str, text: str) -> bool:
    """Whether `text` is `pattern` with anything in the places of `*`.

    Each part is taken where it first fits: no pattern takes long, as one could in a regular expression.
    """
    first, *middle, last = pattern.split("*")
    if not text.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(text) - at >= len(last) and text.endswith(last)


def path_keys(path: str) -> list[str]:
    """The property names of a dot-separated path, in which a backslash escapes a dot or a backslash.

    https://spec.matrix.org/v1.19/appendices/#dot-separated-property-paths
    """
    keys = [""]
    characters = iter(path)
    for character in characters:
        if character == ".":
            keys.append("")
        elif character == "\\":
            following = next(characters, "")
            keys[-1] += following if following in {".", "\\"} else character + following
        else:
            keys[-1] += character
    return keys


def _copy_field(source: JsonObject, target: JsonObject, keys: Sequence[str]) -> None:
    key, *deeper = keys
    if key not in source:
        return
    if not deeper:
        target[key] = source[key]
    elif isinstance(source[key], dict):
        _copy_field(source[key], target.setdefault(key, {}), deeper)
