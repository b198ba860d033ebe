"""Rooms in which nobody of this server is, as far as local users have to do with them: invitations and knocks.

https://spec.matrix.org/v1.19/server-server-api/#inviting-to-a-room and #leaving-rooms-rejecting-invites
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.event import Event
from homeserver.protocol.events import stored_forms
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonObject, encode_json
from homeserver.rooms.appends import Accepted
from homeserver.rooms.elsewhere_invitations import ElsewhereInvitations
from homeserver.rooms.store.elsewhere import (
    ElsewhereRow,
    delete_elsewhere,
    delete_old_elsewhere,
    elsewhere_of,
    inviting_among,
    upsert_elsewhere,
)
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Placed, Position, Topic
from homeserver.streams.last_changed import LastChanged

_LEFT_MS = 30 * 24 * 3600 * 1000


class ElsewhereListener(Protocol):
    """Whoever tells users of what they are to rooms elsewhere, other than by /sync."""

    def changing(self, txn: Transaction, rows: Sequence[ElsewhereRow]) -> None:
        """In the transaction that stores them, and perhaps twice."""

    def changed(self, rows: Sequence[ElsewhereRow]) -> None:
        """After the commit, in the reactor's thread."""


class _Changes:
    """How a change is stored (an EntryKind)."""

    def __init__(
        self,
        changed: LastChanged[int],
        invitations: ElsewhereInvitations,
        listeners: Sequence[ElsewhereListener],
        clock: Clock,
    ) -> None:
        self._changed = changed
        self._invitations = invitations
        self._listeners = listeners
        self._clock = clock

    def count(self, entry: ElsewhereRow) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[ElsewhereRow]]) -> None:
        # The last one for each key, because one statement cannot write a row twice on PostgreSQL.
        rows = list({(row.user_nid, row.room_id): row for row in _numbered(batch)}.values())
        upsert_elsewhere(txn, rows, self._clock.now_ms())
        for listener in self._listeners:
            listener.changing(txn, rows)

    def stored(self, batch: Sequence[Placed[ElsewhereRow]]) -> Iterable[Topic]:
        for one in batch:
            self._changed.record(one.entry.user_nid, one.position)
        self._invitations.changed(one.entry.user_nid for one in batch)
        for listener in self._listeners:
            listener.changed(_numbered(batch))
        return {("user", one.entry.user_nid) for one in batch}


def _numbered(batch: Sequence[Placed[ElsewhereRow]]) -> list[ElsewhereRow]:
    return [one.entry._replace(position=one.position) for one in batch]


class RoomsElsewhere:
    """Keeps what users are to rooms elsewhere. Changes wake the topic ("user", short id).

    It is a projection, too: who has a membership in the room itself needs none here.
    """

    def __init__(
        self,
        users: Dictionary[UserID],
        domains: LocalDomains,
        invitations: ElsewhereInvitations,
        listeners: Sequence[ElsewhereListener],
        journal: Journal,
        db: Database,
        clock: Clock,
    ) -> None:
        self._users = users
        self._domains = domains
        self._journal = journal
        self._db = db
        self._clock = clock
        self._changed: LastChanged[int] = LastChanged()
        self._invitations = invitations
        self._changes = _Changes(self._changed, self._invitations, listeners, clock)

    def start_at(self, position: int) -> None:
        """Called once the journal has started: changes up to `position` are only in the database."""
        self._changed.start_at(position)
        self._invitations.forget_all()

    def changed_after(self, user_nid: int, position: int) -> bool:
        """Whether something of the user's may have changed after `position`."""
        return self._changed.after(user_nid, position)

    async def of(self, user_id: UserID, room_id: RoomID) -> ElsewhereRow | None:
        """What a local user is to the room; None where nothing is known."""
        return await self._db.read(elsewhere_of, await self._users.nid_of(user_id), room_id)

    async def inviting(self, user_nid: int, room_ids: Collection[RoomID]) -> set[RoomID]:
        """Those of the rooms that a local user is invited to."""
        return await self._db.read(inviting_among, user_nid, room_ids)

    async def put(self, event: Event, stripped: Sequence[JsonObject]) -> Position:
        """What the local user of a member event is from now on: invited, knocking, or gone.

        `stripped` is what the room says of itself besides the event.
        """
        if event.state_key is None or event.membership is None:
            raise ValueError("It is no member event")
        membership = event.membership if event.membership in ("invite", "knock") else "leave"
        client, _ = stored_forms(event)
        row = ElsewhereRow(
            user_nid=await self._users.nid_of(UserID(event.state_key)),
            room_id=event.room_id,
            version=event.version.identifier,
            membership=membership,
            sender=event.sender,
            event=client,
            stripped=encode_json(list(stripped)),
        )
        return await self._journal.append(self._changes, row)

    async def forget(self, user_id: UserID, room_id: RoomID) -> None:
        """The user no longer wants to see the room."""
        user_nid = await self._users.nid_of(user_id)
        await self._db.write(delete_elsewhere, [(user_nid, room_id)])
        self._invitations.changed([user_nid])

    async def forget_old(self) -> None:
        """For a daily task: what was left a month ago, and what belongs to accounts that have ended."""
        await self._db.write(delete_old_elsewhere, self._clock.now_ms() - _LEFT_MS)
        self._invitations.forget_all()

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Ends what the room itself tells by now."""
        if ended := self._ended(events):
            delete_elsewhere(txn, ended)

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        self._invitations.changed(user_nid for user_nid, _ in self._ended(events))
        return ()

    def _ended(self, events: Sequence[Accepted]) -> set[tuple[int, RoomID]]:
        return {
            (change.target, event.event.room_id)
            for event in events
            for change in event.changes
            if change.target is not None and change.event is not None and self._is_local(change.event)
        }

    def _is_local(self, event: Event) -> bool:
        return event.state_key is not None and self._domains.is_local(event.state_key)
