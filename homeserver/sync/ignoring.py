"""Users whom the requester does not want to hear of, in /sync.

https://spec.matrix.org/v1.19/client-server-api/#ignoring-users
"""

from collections.abc import Collection, Sequence

import msgspec

from homeserver.protocol.json import JsonObject
from homeserver.sync.answer import Parts


class _Sender(msgspec.Struct):
    sender: str


def is_invited_by(stripped: Sequence[msgspec.Raw], users: Collection[str]) -> bool:
    """Whether the newest of stripped events, which is the invitation, was sent by one of the users."""
    return msgspec.json.decode(stripped[-1], type=_Sender).sender in users


def leave_out(parts: Parts, ignored: Collection[str]) -> None:
    """Drops what `parts` tells of ignored users besides events of rooms: invitations, presence, typing and receipts."""
    if not ignored:
        return
    parts.presence = [one for one in parts.presence if one.user_id not in ignored]
    parts.invited = {
        room_id: events for room_id, events in parts.invited.items() if not is_invited_by(events, ignored)
    }
    for room, edus in parts.ephemeral.items():
        parts.ephemeral[room] = [kept for edu in edus if (kept := _without(edu, ignored)) is not None]


def _without(edu: JsonObject, ignored: Collection[str]) -> JsonObject | None:
    """The ephemeral event without these users; None where nothing is left of it."""
    if edu["type"] == "m.typing":
        users = [user_id for user_id in edu["content"]["user_ids"] if user_id not in ignored]
        return {**edu, "content": {"user_ids": users}}
    content = {
        event_id: kept
        for event_id, by_type in edu["content"].items()
        if (kept := _without_receipts(by_type, ignored))
    }
    return {**edu, "content": content} if content else None


def _without_receipts(by_type: JsonObject, ignored: Collection[str]) -> JsonObject:
    kept = {
        type_: {user_id: receipt for user_id, receipt in users.items() if user_id not in ignored}
        for type_, users in by_type.items()
    }
    return {type_: users for type_, users in kept.items() if users}
