"""The push rules that every user has.

https://spec.matrix.org/v1.19/client-server-api/#predefined-rules
"""

from collections.abc import Mapping

import msgspec

from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.push_conditions import OWN_USER_ID

MASTER = ".m.rule.master"
"""Comes before all others, the user's own included."""

_NOTIFY: tuple[JsonValue, ...] = ("notify",)
_HIGHLIGHT: tuple[JsonValue, ...] = ("notify", {"set_tweak": "highlight"})
_SOUND: tuple[JsonValue, ...] = ("notify", {"set_tweak": "sound", "value": "default"})
_RING: tuple[JsonValue, ...] = ("notify", {"set_tweak": "sound", "value": "ring"})


class DefaultRule(msgspec.Struct, frozen=True):
    """Conditions may have OWN_USER_ID in them."""

    rule_id: str
    conditions: tuple[JsonObject, ...]
    actions: tuple[JsonValue, ...] = ()
    enabled: bool = True


def _match(key: str, pattern: JsonValue) -> JsonObject:
    return {"kind": "event_match", "key": key, "pattern": pattern}


_TWO_MEMBERS: JsonObject = {"kind": "room_member_count", "is": "2"}

DEFAULT_RULES: Mapping[str, tuple[DefaultRule, ...]] = {
    "override": (
        DefaultRule(MASTER, (), enabled=False),
        DefaultRule(".m.rule.suppress_notices", (_match("content.msgtype", "m.notice"),)),
        DefaultRule(
            ".m.rule.invite_for_me",
            (
                _match("type", "m.room.member"),
                _match("content.membership", "invite"),
                _match("state_key", OWN_USER_ID),
            ),
            _SOUND,
        ),
        DefaultRule(".m.rule.member_event", (_match("type", "m.room.member"),)),
        DefaultRule(
            ".m.rule.is_user_mention",
            (
                {
                    "kind": "event_property_contains",
                    "key": r"content.m\.mentions.user_ids",
                    "value": OWN_USER_ID,
                },
            ),
            (*_SOUND, {"set_tweak": "highlight"}),
        ),
        DefaultRule(
            ".m.rule.is_room_mention",
            (
                {"kind": "event_property_is", "key": r"content.m\.mentions.room", "value": True},
                {"kind": "sender_notification_permission", "key": "room"},
            ),
            _HIGHLIGHT,
        ),
        DefaultRule(
            ".m.rule.tombstone", (_match("type", "m.room.tombstone"), _match("state_key", "")), _HIGHLIGHT
        ),
        DefaultRule(".m.rule.reaction", (_match("type", "m.reaction"),)),
        DefaultRule(
            ".m.rule.room.server_acl", (_match("type", "m.room.server_acl"), _match("state_key", ""))
        ),
        DefaultRule(
            ".m.rule.suppress_edits",
            (
                {
                    "kind": "event_property_is",
                    "key": r"content.m\.relates_to.rel_type",
                    "value": "m.replace",
                },
            ),
        ),
    ),
    "content": (),
    "room": (),
    "sender": (),
    "underride": (
        DefaultRule(".m.rule.call", (_match("type", "m.call.invite"),), _RING),
        DefaultRule(
            ".m.rule.encrypted_room_one_to_one", (_TWO_MEMBERS, _match("type", "m.room.encrypted")), _SOUND
        ),
        DefaultRule(".m.rule.room_one_to_one", (_TWO_MEMBERS, _match("type", "m.room.message")), _SOUND),
        DefaultRule(".m.rule.message", (_match("type", "m.room.message"),), _NOTIFY),
        DefaultRule(".m.rule.encrypted", (_match("type", "m.room.encrypted"),), _NOTIFY),
    ),
}
