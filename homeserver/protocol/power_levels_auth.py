"""The authorisation rules for `m.room.power_levels`.

https://spec.matrix.org/v1.19/rooms/v12/#authorisation-rules, rule 10, as whose parts the numbers here are meant; the
other room versions have the same rules without what their flags lack.
"""

from collections.abc import Iterable, Iterator

from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import USER_ID, exceeds_bytes
from homeserver.protocol.json import JsonObject
from homeserver.protocol.power_levels import POWER_LEVELS, creators, level_at, levels_by_key, read_level
from homeserver.protocol.room_state import AuthRejected, RoomState
from homeserver.protocol.room_versions import RoomVersion

_NAMED = ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")


def check_power_levels(event: Event, room: RoomState) -> None:
    """Raises AuthRejected unless the sender may set these power levels; UnreadableLevel where one is no level."""
    version = room.version
    if version.integer_power_levels:
        _check_integers(event.content)
    _check_users(event.content, room)
    previous = room.event(POWER_LEVELS)
    if previous is None:
        return
    own = room.levels.user(event.sender)
    old, new = previous.content, event.content
    _check_alterations(_altered(old, new, _NAMED, version), own)
    for name in ("events", "notifications") if version.limits_notification_levels else ("events",):
        _check_alterations(_altered_entries(old, new, name, version), own)
    _check_altered_users(event, previous, own, version)


def _check_integers(content: JsonObject) -> None:
    """Rules 10.1 and 10.2."""
    if any(name in content and type(content[name]) is not int for name in _NAMED):
        raise AuthRejected("A power level is not an integer")
    for name in ("events", "notifications", "users"):
        levels = content.get(name, {})
        if not isinstance(levels, dict) or any(type(level) is not int for level in levels.values()):
            raise AuthRejected(f"The power levels of {name} are not an object of integers")


def _check_users(content: JsonObject, room: RoomState) -> None:
    """Rules 10.3 and 10.4."""
    users = content.get("users", {})
    if not isinstance(users, dict):
        raise AuthRejected("The power levels of users are not an object")
    for user_id, level in users.items():
        if USER_ID.fullmatch(user_id) is None or exceeds_bytes(user_id):
            raise AuthRejected("Somebody with a power level has no valid user ID")
        if read_level(level, room.version) is None:
            raise AuthRejected("The power level of a user is not an integer")
    if room.version.privileged_creators and any(creator in users for creator in creators(room.create)):
        raise AuthRejected("Creators have no power level")


_Alteration = tuple[str, int | None, int | None]
"""A key with its old and its new level; None where it has none."""


def _altered(
    old: JsonObject, new: JsonObject, keys: Iterable[str], version: RoomVersion
) -> Iterator[_Alteration]:
    for key in keys:
        before, after = level_at(old, key, version), level_at(new, key, version)
        if before != after:
            yield key, before, after


def _altered_entries(
    old: JsonObject, new: JsonObject, name: str, version: RoomVersion
) -> Iterator[_Alteration]:
    before, after = levels_by_key(old, name), levels_by_key(new, name)
    return _altered(before, after, before.keys() | after.keys(), version)


def _check_alterations(alterations: Iterable[_Alteration], own: float) -> None:
    """Rules 10.6 to 10.8."""
    for key, before, after in alterations:
        if before is not None and before > own:
            raise AuthRejected(f"The power level of {key!r} is above the sender's own")
        if after is not None and after > own:
            raise AuthRejected(f"The power level of {key!r} would be above the sender's own")


def _check_altered_users(event: Event, previous: Event, own: float, version: RoomVersion) -> None:
    """Rules 10.9 and 10.10."""
    for user_id, before, after in _altered_entries(previous.content, event.content, "users", version):
        if user_id != event.sender and before is not None and before >= own:
            raise AuthRejected(f"The power level of {user_id} is not below the sender's own")
        if after is not None and after > own:
            raise AuthRejected(f"The power level of {user_id} would be above the sender's own")
