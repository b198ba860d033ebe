"""Ephemeral events as clients see them in `/sync`."""

from collections.abc import Iterable, Sequence

from homeserver.ephemeral.store import READ_PRIVATE, ReceiptChange
from homeserver.ephemeral.threads import UNTHREADED
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject


def receipt_edus(changes: Iterable[ReceiptChange], viewer: UserID) -> dict[int, JsonObject]:
    """One m.receipt event for each room (short id) in which `viewer` may see any of the receipts.

    Private receipts are shown to their own user only. Where a user has several receipts of one type at one
    event, the unthreaded one, which says the most, is shown (MSC4102).
    https://spec.matrix.org/v1.19/client-server-api/#mreceipt
    """
    return edus_by_room(one for one in changes if one.type != READ_PRIVATE or one.user_id == viewer)


def edus_by_room(changes: Iterable[ReceiptChange]) -> dict[int, JsonObject]:
    """One m.receipt event for each room (short id), with all of the receipts."""
    edus: dict[int, JsonObject] = {}
    for room_nid, event_id, type_, user_id, thread, ts in changes:
        edu = edus.get(room_nid)
        if edu is None:
            edu = edus[room_nid] = {"type": "m.receipt", "content": {}}
        users = edu["content"].setdefault(event_id, {}).setdefault(type_, {})
        if thread == UNTHREADED:
            users[user_id] = {"ts": ts}
        elif user_id not in users:
            users[user_id] = {"ts": ts, "thread_id": thread}
    return edus


def typing_edu(user_ids: Sequence[UserID]) -> JsonObject:
    """https://spec.matrix.org/v1.19/client-server-api/#mtyping"""
    return {"type": "m.typing", "content": {"user_ids": list(user_ids)}}
