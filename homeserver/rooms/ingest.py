"""The one way an event enters a room."""

from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from homeserver.protocol.events import Event, stored_forms
from homeserver.protocol.identifiers import EventID, UserID
from homeserver.rooms.appends import (
    Accepted,
    Append,
    RoomAppends,
    StateChange,
)
from homeserver.rooms.graph.vertices import ShortIds
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.store.spans import Slot
from homeserver.rooms.store.transactions import TransactionKey
from homeserver.storage.dictionary import Dictionary
from homeserver.streams.journal import Journal, Position


@dataclass(slots=True)
class NewRoom:
    """A room that does not exist yet: events are appended to its head in memory and stored all together."""

    head: Head
    events: list[Accepted] = field(default_factory=list)


class Ingest:
    """Stores authorised events at the head of their room."""

    def __init__(
        self,
        journal: Journal,
        appends: RoomAppends,
        heads: Heads,
        users: Dictionary[UserID],
        slots: Dictionary[Slot],
        types: Dictionary[str],
    ) -> None:
        self._journal = journal
        self._appends = appends
        self._heads = heads
        self._users = users
        self._slots = slots
        self._types = types

    async def accept(
        self, head: Head, event: Event, transaction: TransactionKey | None = None
    ) -> Deferred[Position]:
        """Moves `head` to `event` and queues it; the Deferred fires with its position when it is stored.

        The room's lock must be held until this returns, not until the Deferred fires. The Deferred fails with
        StaleHead where the event must be built again, with AlreadySent where its transaction ID is taken.
        """
        expected = head.extremities
        accepted = await self._accepted(head, event, transaction)
        head.advance(event)
        head.unstored.add(event.event_id)
        append = Append(head.nid, head.room_id, expected, [accepted], head.row())
        stored = self._journal.append(self._appends, append)
        stored.addBoth(_no_longer_unstored, head, event.event_id)
        return stored.addErrback(lambda failure: self._undo(failure, head))

    async def add(self, room: NewRoom, event: Event) -> None:
        """Appends to a room that is being made."""
        room.events.append(await self._accepted(room.head, event, None))
        room.head.advance(event)

    async def accept_room(self, room: NewRoom) -> Position:
        """Stores a new room with all its events, or nothing of it."""
        append = Append(None, room.head.room_id, (), room.events, room.head.row())
        position = await self._journal.append(self._appends, append)
        room.head.nid = room.events[0].room
        self._heads.put(room.head)
        return position

    def _undo(self, failure: Failure, head: Head) -> Failure:
        # Everything queued behind the failed event expects it, and is refused in its turn. That must not harm what
        # is built on a new head by then, or a busy room would never come to rest.
        self._heads.abandon(head)
        return failure

    async def _accepted(self, head: Head, event: Event, transaction: TransactionKey | None) -> Accepted:
        client, federation = stored_forms(event)
        short_ids = await self._short_ids(event)
        line = head.state_line
        replaces = head.state.get(event.slot) if event.is_state else None
        changes = []
        if short_ids.slot is not None:
            changes.append(StateChange(short_ids.slot, event, short_ids.target, replaces is not None))
        return Accepted(
            event=event,
            short_ids=short_ids,
            state_before=line,
            state_after=line + len(changes),
            changes=changes,
            replaces=replaces,
            client=client,
            federation=federation,
            transaction=transaction,
        )

    async def _short_ids(self, event: Event) -> ShortIds:
        is_member = event.is_state and event.type == "m.room.member"
        return ShortIds(
            type=await self._types.nid_of(event.type),
            slot=await self._slots.nid_of(event.slot) if event.is_state else None,
            sender=await self._users.nid_of(event.sender),
            target=await self._users.nid_of(UserID(event.slot[1])) if is_member else None,
        )


def _no_longer_unstored(outcome: Position | Failure, head: Head, event_id: EventID) -> Position | Failure:
    head.unstored.discard(event_id)
    return outcome
