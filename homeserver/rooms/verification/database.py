"""Verifying the rooms of a whole database, and deriving rooms anew."""

from collections.abc import Callable
from typing import TypeAlias

from homeserver.rooms.store.heads import heads_by_nid, update_heads
from homeserver.rooms.store.redacted_content import retain_again
from homeserver.rooms.store.whole_rooms import (
    orphans,
    redaction_marks,
    rewrite_line,
    rewrite_members,
    rewrite_redaction_marks,
    room_nids,
)
from homeserver.rooms.verification.differences import Difference, Findings
from homeserver.rooms.verification.replay import Known, Replay
from homeserver.rooms.verification.rooms import RoomVerification, pages
from homeserver.rooms.verification.stored import Identity, Unreadable, read_event
from homeserver.storage.engine import Connection, Transaction

Progress: TypeAlias = Callable[[Findings, int], None]
"""Is told what is known so far, and how many rooms there are."""


def verify(connection: Connection, identity: Identity, progress: Progress) -> Findings:
    """Each room in a snapshot of its own, so that a server may go on meanwhile."""
    findings = Findings()
    with connection.reading() as txn:
        rooms = room_nids(txn)
    for room in rooms:
        with connection.reading() as txn:
            RoomVerification(txn, room, identity, findings, lambda: progress(findings, len(rooms))).run()
    with connection.reading() as txn:
        for what, count in orphans(txn):
            if count:
                findings.add(Difference("the database", what, f"{count:,}", count))
    return findings


def rebuild(connection: Connection, now_ms: int, say: Callable[[str], None]) -> None:
    """Derives every room anew from its events, each in one transaction. No server may be running."""
    with connection.reading() as txn:
        rooms = room_nids(txn)
    for room in rooms:
        try:
            with connection.writing(ordered=True) as txn:
                _rebuild_room(txn, room, now_ms)
        except Unreadable as error:
            say(f"Not rebuilt: {error}")


def _rebuild_room(txn: Transaction, room: int, now_ms: int) -> None:
    """Raises Unreadable where an event of the room is."""
    head = heads_by_nid(txn, [room])[room]
    replay = Replay(txn, head)
    for page in pages(txn, room):
        for row in page:
            try:
                event = read_event(row, head.room_id, replay.version)
            except Unreadable as error:
                raise Unreadable(f"{head.room_id}, whose event {row.event_id} {error}") from None
            replay.advance(Known(row, event))
    rewrite_line(txn, room)
    rewrite_redaction_marks(txn, room, replay.redactions(redaction_marks(txn, room)))
    retain_again(txn, room, now_ms)
    rewrite_members(txn, room, replay.members)
    update_heads(
        txn, [head._replace(state_line=replay.line, depth=replay.depth, extremities=replay.extremities)]
    )
