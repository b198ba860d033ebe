"""The state that a new room starts with.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom
"""

from collections.abc import Iterable

from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import RoomVersion

_PRESETS: dict[str, tuple[str, str]] = {
    # preset: (join rule, guest access)
    "private_chat": ("invite", "can_join"),
    "trusted_private_chat": ("invite", "can_join"),
    "public_chat": ("public", "forbidden"),
}


def preset_state(preset: str) -> list[tuple[str, JsonObject]]:
    """(type, content) of the state that a preset stands for."""
    join_rule, guest_access = _PRESETS[preset]
    return [
        ("m.room.join_rules", {"join_rule": join_rule}),
        ("m.room.history_visibility", {"history_visibility": "shared"}),
        ("m.room.guest_access", {"guest_access": guest_access}),
    ]


def preset_powers(preset: str) -> JsonObject:
    """What a preset has of its own in the power levels. Where everybody may come in, not everybody calls all others,
    nor invites people in the room's name."""
    return {"invite": 50, "events": {"m.call.invite": 50}} if preset == "public_chat" else {}


def power_levels_content(
    creator: UserID, version: RoomVersion, preset: str, override: JsonObject, equals: Iterable[UserID]
) -> JsonObject:
    """The first power levels, with the top-level keys of `override` in place of ours.

    `equals` are to be as powerful as the creator. Where creators are privileged (room version 12) they may
    not be listed at all, and replacing the room is kept for them alone.
    """
    users = {} if version.privileged_creators else dict.fromkeys([creator, *equals], 100)
    content: JsonObject = {
        "users": users,
        "users_default": 0,
        "events": {
            "m.room.name": 50,
            "m.room.power_levels": 100,
            "m.room.history_visibility": 100,
            "m.room.canonical_alias": 50,
            "m.room.avatar": 50,
            "m.room.tombstone": 150 if version.privileged_creators else 100,
            "m.room.server_acl": 100,
            "m.room.encryption": 100,
        },
        "events_default": 0,
        "state_default": 50,
        "ban": 50,
        "kick": 50,
        "redact": 50,
        "invite": 0,
        "historical": 100,
    }
    powers = preset_powers(preset)
    events = {**content["events"], **powers.get("events", {})}
    return {**content, **powers, "events": events, **override}
