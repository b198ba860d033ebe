"""What a room takes along when it is replaced by one of another version.

https://spec.matrix.org/v1.19/client-server-api/#room-upgrades
"""

from collections.abc import Collection, Mapping, Sequence

from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import RoomAlias, UserID
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.power_levels import creators, levels_by_key, read_level
from homeserver.protocol.room_versions import RoomVersion
from homeserver.rooms.head import Head

_TAKEN = (
    "m.room.server_acl",
    "m.room.encryption",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.guest_access",
    "m.room.history_visibility",
    "m.room.join_rules",
)
_TAKEN_WITH_KEY = ("m.space.child", "m.space.parent")
_MAPPINGS = ("users", "events", "notifications")
_MODERATORS = 50


def create_content(
    old: Head, create: Event, version: RoomVersion, additional_creators: Sequence[UserID]
) -> JsonObject:
    """The content of the new room's create event."""
    content: JsonObject = {"room_version": version.identifier, "predecessor": {"room_id": old.room_id}}
    if not version.room_id_is_create_hash:
        content["predecessor"]["event_id"] = old.extremities[0]
    if not version.implicit_creator:
        content["creator"] = create.sender
    if additional_creators and version.privileged_creators:
        content["additional_creators"] = list(additional_creators)
    for key in ("type", "m.federate"):
        if key in create.content:
            content[key] = create.content[key]
    return content


def is_taken_along(type_: str, state_key: str, content: JsonObject) -> bool:
    """Whether a state event, as it is, also stands in the new room. Power levels and aliases are changed first."""
    if type_ in _TAKEN_WITH_KEY:
        return bool(content)
    return type_ in _TAKEN and state_key == ""


def carried_power_levels(
    content: JsonObject, create: Event, version: RoomVersion, new_creators: Collection[str]
) -> JsonObject:
    """The old room's power levels as the new room's version has them.

    Levels that are written as strings become integers. Creators that stood above all levels get one, and those
    that are to stand above them lose theirs.
    """
    carried = _with_integers(content, create.version)
    users: dict[str, JsonValue] = dict(levels_by_key(carried, "users"))
    if create.version.privileged_creators and not version.privileged_creators:
        highest = max([100, *(level for level in users.values() if isinstance(level, int))])
        users |= dict.fromkeys(creators(create), highest)
    if version.privileged_creators:
        users = {user_id: level for user_id, level in users.items() if user_id not in new_creators}
    return {**carried, "users": users}


def closed_power_levels(content: JsonObject, version: RoomVersion) -> JsonObject:
    """Power levels by which only moderators speak and invite any more."""
    default = read_level(content.get("users_default", 0), version) or 0
    needed = max(_MODERATORS, default + 1)
    closed = {
        key: max(needed, read_level(content.get(key, 0), version) or 0)
        for key in ("events_default", "invite")
    }
    return {**content, **closed}


def carried_aliases(content: JsonObject, moved: Collection[RoomAlias]) -> JsonObject:
    """The content of `m.room.canonical_alias` as far as it names aliases that move along."""
    carried: JsonObject = {}
    if content.get("alias") in moved:
        carried["alias"] = content["alias"]
    alternatives = content.get("alt_aliases")
    if isinstance(alternatives, list):
        kept = [alias for alias in alternatives if alias in moved]
        if kept:
            carried["alt_aliases"] = kept
    return carried


def _with_integers(content: JsonObject, version: RoomVersion) -> JsonObject:
    def whole(value: JsonValue) -> JsonValue:
        level = read_level(value, version)
        return value if level is None else level

    carried: JsonObject = {key: whole(value) for key, value in content.items()}
    for key in _MAPPINGS:
        if isinstance(content.get(key), Mapping):
            carried[key] = {name: whole(value) for name, value in content[key].items()}
    return carried
