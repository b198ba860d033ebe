"""Who may do what: the levels of users, and those that actions ask for.

https://spec.matrix.org/v1.19/client-server-api/#mroompower_levels

Room versions before 10 let the first power levels event of a room hold values that are no levels. The specification
does not say what they mean. Nobody on the network accepts an event that depends on one, so UnreadableLevel is raised.
"""

import math
import re
from typing import Protocol, TypeAlias

from homeserver.protocol.errors import Forbidden
from homeserver.protocol.event import Event, Slot
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.room_versions import RoomVersion

POWER_LEVELS: Slot = ("m.room.power_levels", "")
CREATE: Slot = ("m.room.create", "")

Level: TypeAlias = float
"""An integer, or infinity for the creators of rooms of version 12."""

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")
_MOST_DIGITS = 1_000


class UnreadableLevel(Forbidden):
    """A power level that is no level. Whoever needs it has not shown that they may."""


class StateLookup(Protocol):
    """Room state, as far as it is asked for."""

    def get(self, slot: Slot, /) -> Event | None: ...


class PowerLevels:
    """The levels in a room with the given create and power levels events.

    All but `notifications` raise UnreadableLevel where what they look for is there but is no level.
    """

    __slots__ = ("_content", "_creators", "_version")

    def __init__(self, create: Event, power_levels: Event | None, version: RoomVersion) -> None:
        self._version = version
        self._creators = creators(create)
        self._content = None if power_levels is None else power_levels.content

    def user(self, user_id: str) -> Level:
        if self._version.privileged_creators and user_id in self._creators:
            return math.inf
        if self._content is None:
            return 100 if user_id in self._creators else 0
        level = self._inner("users", user_id)
        return self._named("users_default", 0) if level is None else level

    def required_for(self, type_: str, is_state: bool) -> Level:
        """The level needed to send an event of the type; membership events follow their own rules."""
        level = self._inner("events", type_)
        if level is not None:
            return level
        return self._named("state_default", 50) if is_state else self._named("events_default", 0)

    @property
    def ban(self) -> Level:
        return self._named("ban", 50)

    @property
    def kick(self) -> Level:
        return self._named("kick", 50)

    @property
    def redact(self) -> Level:
        return self._named("redact", 50)

    @property
    def redact_all(self) -> Level:
        """The level needed to redact all that somebody sent by removing them (MSC4293)."""
        to_send = self._inner("events", "m.room.redaction")
        return self.redact if to_send is None else max(self.redact, to_send)

    @property
    def invite(self) -> Level:
        return self._named("invite", 0)

    def notifications(self, key: str = "room") -> Level:
        """The level needed to notify everyone in the way of `key`."""
        try:
            level = self._inner("notifications", key)
        except UnreadableLevel:
            # No authorisation rule asks for it.
            level = None
        return 50 if level is None else level

    def _named(self, name: str, default: int) -> Level:
        level = None if self._content is None else level_at(self._content, name, self._version)
        return default if level is None else level

    def _inner(self, name: str, key: str) -> int | None:
        if self._content is None:
            return None
        return level_at(levels_by_key(self._content, name), key, self._version)


def power_levels(state: StateLookup, version: RoomVersion) -> PowerLevels:
    """The levels in a room with the given state. Raises LookupError where it has no create event."""
    create = state.get(CREATE)
    if create is None:
        raise LookupError("The room has no create event")
    return PowerLevels(create, state.get(POWER_LEVELS), version)


def creators(create: Event) -> tuple[str, ...]:
    """The users who made the room, of whom room versions before 12 know one.

    https://spec.matrix.org/v1.19/rooms/v12/#event-format
    """
    if not create.version.implicit_creator:
        return (create.content.get("creator", ""),)
    if not create.version.privileged_creators:
        return (create.sender,)
    additional = create.content.get("additional_creators")
    return (create.sender, *additional) if isinstance(additional, list) else (create.sender,)


def read_level(value: JsonValue, version: RoomVersion) -> int | None:
    """The level that a room of the version takes `value` for; None where it is none.

    https://spec.matrix.org/v1.19/rooms/v1/#deprecated-event-content-schemas
    """
    kind = type(value)
    if kind is int:
        return int(value)
    if version.integer_power_levels:
        return None
    if kind is float:
        return int(value)
    if kind is str and len(value) <= _MOST_DIGITS and _INTEGER.fullmatch(value):
        return int(value)
    return None


def level_at(levels: JsonObject, key: str, version: RoomVersion) -> int | None:
    """The level of `key`, None where there is none. Raises UnreadableLevel."""
    if key not in levels:
        return None
    level = read_level(levels[key], version)
    if level is None:
        raise UnreadableLevel(f"The power level of {key!r} is not an integer")
    return level


def levels_by_key(content: JsonObject, name: str) -> JsonObject:
    """The object `name` of a power levels event. Raises UnreadableLevel where it is something else."""
    levels = content.get(name, {})
    if not isinstance(levels, dict):
        raise UnreadableLevel(f"The power levels of {name} are not an object")
    return levels
