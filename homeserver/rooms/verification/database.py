"""Verifying the rooms of a whole database."""

from collections.abc import Callable
from typing import TypeAlias

from homeserver.rooms.store.orphans import orphans
from homeserver.rooms.store.whole_rooms import room_nids
from homeserver.rooms.verification.differences import Difference, Findings
from homeserver.rooms.verification.rooms import verify_room
from homeserver.rooms.verification.stored import Identity
from homeserver.storage.engine import Connection

Progress: TypeAlias = Callable[[Findings, int], None]
"""Is told what is known so far, and how many rooms there are."""


def verify(connection: Connection, identity: Identity, progress: Progress) -> Findings:
    """Each room in a snapshot of its own, so that a server may go on meanwhile."""
    findings = Findings()
    with connection.reading() as txn:
        rooms = room_nids(txn)
    for room in rooms:
        with connection.reading() as txn:
            verify_room(txn, room, identity, findings, lambda: progress(findings, len(rooms)))
    with connection.reading() as txn:
        for what, count in orphans(txn):
            if count:
                findings.add(Difference("the database", what, f"{count:,}", count))
    return findings
