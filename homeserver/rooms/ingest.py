"""The one way an event enters a room."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from homeserver.protocol.auth_graph import auth_event_ids
from homeserver.protocol.events import Event, StoredForms, stored_forms
from homeserver.protocol.identifiers import EventID, ServerName, UserID
from homeserver.rooms.appends import (
    Accepted,
    Append,
    RoomAppends,
    StateChange,
)
from homeserver.rooms.graph.receipt import Receipt, SlotChange
from homeserver.rooms.graph.vertices import Aside, Refusal, ShortIds, in_auth_order
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.store.events import event_nids
from homeserver.rooms.store.spans import EVER, Slot
from homeserver.rooms.store.transactions import TransactionKey
from homeserver.runtime.clock import Clock
from homeserver.runtime.together import both
from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary
from homeserver.streams.journal import Journal, Position

# Some 25 ms of work.
_ASIDES_AT_ONCE = 1000


class Announced(NamedTuple):
    """The short ids of all that some events name, and what some of them are stored as."""

    users: Mapping[UserID, int]
    slots: Mapping[Slot, int]
    types: Mapping[str, int]
    forms: Mapping[EventID, StoredForms] = MappingProxyType({})

    def aside(self, event: Event) -> Aside:
        client, federation = self.forms.get(event.event_id) or stored_forms(event)
        return Aside(event=event, short_ids=self.short_ids(event), client=client, federation=federation)

    def short_ids(self, event: Event) -> ShortIds:
        target = _target(event)
        return ShortIds(
            type=self.types[event.type],
            slot=None if event.state_key is None else self.slots[event.slot],
            sender=self.users[event.sender],
            target=None if target is None else self.users[target],
        )


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
        db: Database,
        appends: RoomAppends,
        heads: Heads,
        users: Dictionary[UserID],
        slots: Dictionary[Slot],
        types: Dictionary[str],
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._db = db
        self._appends = appends
        self._heads = heads
        self._users = users
        self._slots = slots
        self._types = types
        self._clock = clock

    async def accept(
        self, head: Head, event: Event, transaction: TransactionKey | None = None
    ) -> Deferred[Position]:
        """Moves `head` to `event` and queues it; the Deferred fires with its position when it is stored.

        The room's lock must be held until this returns, not until the Deferred fires. The Deferred fails with
        StaleHead where the event must be built again, with AlreadySent where its transaction ID is taken.
        """
        accepted = await self._accepted(head, event, transaction)
        expected = head.extremities
        head.advance(event)
        return self._append(head, expected, accepted)

    async def merge(self, head: Head, event: Event, receipt: Receipt, gap: int) -> Deferred[Position]:
        """As `accept`, for an event of another server that may have been made on another branch of the room.

        `gap` positions before it stay free for what it follows and is not here.
        """
        accepted = await self._received(head, event, receipt)
        expected = head.extremities
        head.move(event, receipt.extremities, {change.name: change.event for change in receipt.changes})
        return self._append(head, expected, accepted, gap, receipt.missing)

    async def enter(
        self,
        join: Event,
        state: Sequence[Event],
        auth_chain: Sequence[Event],
        servers: Sequence[ServerName] = (),
    ) -> Position:
        """Stores a room of other servers, which a local user has just joined.

        `state` is the whole state before the join, `auth_chain` the rest of its auth chain; they were checked. Where
        members are missing from the state, `servers` are in the room.
        History before the join is missing. Raises UnknownEvents where what authorises an event is not there,
        ValueError where events authorise each other.
        """
        asides = await self._asides(in_auth_order((*auth_chain, *state)))
        head = Head(0, join.room_id, join.version, 0, 0, ())
        accepted = await self._accepted(head, join, None)
        first = await self._first_changes(state)
        accepted.changes = (*first, *accepted.changes)
        accepted.servers = dict.fromkeys(servers, 1)
        accepted.replaces = next((event for event in state if event.slot == join.slot), None)
        head.advance(join)
        append = Append(
            None, join.room_id, (), [accepted], head.row(), asides=asides, missing=join.prev_events
        )
        position = await self._journal.append(self._appends, append)
        head.nid = accepted.room
        self._heads.put(head)
        return position

    async def refuse(self, head: Head, event: Event, receipt: Receipt) -> None:
        """Stores an event that failed a check on its receipt, beside the timeline."""
        (aside,) = await self._asides([event])
        aside.fork, aside.refusal = receipt.fork, receipt.refusal
        await self._put_aside(head, [aside])

    async def announce(self, events: Sequence[Event]) -> Announced:
        """What can be done for `set_aside` before it is known which of the events are to be stored."""
        users = {event.sender for event in events}
        users.update(target for event in events if (target := _target(event)) is not None)
        slots = [event.slot for event in events if event.is_state]
        user_nids, slot_nids = await both(self._users.nids_of(users), self._slots.nids_of(slots))
        return Announced(user_nids, slot_nids, await self._types.nids_of({event.type for event in events}))

    async def set_aside(
        self,
        head: Head,
        events: Sequence[Event],
        announced: Announced | None = None,
        refused: Mapping[EventID, str] = MappingProxyType({}),
    ) -> Sequence[Aside]:
        """Stores events beside the timeline, in an order in which what authorises an event comes before it.

        They may be some of those that were `announced`; those `refused`, each for a reason, are rejected. Raises
        UnknownEvents where what one cites is neither here nor among them.
        """
        cited = {event_id for event in events for event_id in auth_event_ids(event)}
        here = await self._db.read(event_nids, list(cited))
        ordered = in_auth_order(events, here)
        announced = announced or await self.announce(ordered)
        asides: list[Aside] = []
        stored = succeed(Position(0))
        # Between them others have their turn, on the way to the disk as well.
        for start in range(0, len(ordered), _ASIDES_AT_ONCE):
            if start:
                # Those before are on their way only when this turn of the reactor has ended.
                await self._clock.sleep(0)
            some = [announced.aside(event) for event in ordered[start : start + _ASIDES_AT_ONCE]]
            for aside in some if refused else ():
                if aside.event.event_id in refused:
                    aside.refusal = Refusal(refused[aside.event.event_id], soft=False)
            await stored
            stored = self._put_aside(head, some)
            asides += some
        await stored
        return asides

    async def slot_of(self, event: Event) -> int | None:
        """The short id of the slot of a state event."""
        return await self._slots.nid_of(event.slot) if event.is_state else None

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

    def _put_aside(self, head: Head, asides: Sequence[Aside]) -> Deferred[Position]:
        append = Append(head.nid, head.room_id, (), [], None, asides=asides)
        return self._journal.append(self._appends, append)

    def _append(
        self,
        head: Head,
        expected: tuple[EventID, ...],
        accepted: Accepted,
        gap: int = 0,
        missing: Collection[EventID] = (),
    ) -> Deferred[Position]:
        event_id = accepted.event.event_id
        head.depart(event_id)
        append = Append(head.nid, head.room_id, expected, [accepted], head.row(), gap=gap, missing=missing)
        stored = self._journal.append(self._appends, append)
        # In this order: whoever waits for what is on its way must not go on with a head that leads nowhere.
        stored.addErrback(lambda failure: self._undo(failure, head))
        return stored.addBoth(_arrived, head, event_id)

    def _undo(self, failure: Failure, head: Head) -> Failure:
        # Everything queued behind the failed event expects it, and is refused in its turn. That must not harm what
        # is built on a new head by then, or a busy room would never come to rest.
        self._heads.abandon(head)
        return failure

    async def _accepted(self, head: Head, event: Event, transaction: TransactionKey | None) -> Accepted:
        client, federation = stored_forms(event)
        short_ids = await self._short_ids(event)
        replaces = head.state.get(event.slot) if event.is_state else None
        changes = []
        if short_ids.slot is not None:
            changes.append(StateChange(short_ids.slot, event, short_ids.target, replaces is not None))
        return Accepted(
            event=event,
            short_ids=short_ids,
            client=client,
            federation=federation,
            state_before=head.state_line,
            state_after=head.state_line + len(changes),
            changes=changes,
            replaces=replaces,
            transaction=transaction,
        )

    async def _received(self, head: Head, event: Event, receipt: Receipt) -> Accepted:
        client, federation = stored_forms(event)
        return Accepted(
            event=event,
            short_ids=await self._short_ids(event),
            client=client,
            federation=federation,
            fork=receipt.fork,
            state_before=head.state_line,
            state_after=head.state_line + bool(receipt.changes),
            changes=[await self._change(change) for change in receipt.changes],
            replaces=receipt.replaces,
            known=receipt.known,
            is_late=True,
            is_behind_gap=bool(receipt.missing),
        )

    async def _change(self, change: SlotChange) -> StateChange:
        type_, state_key = change.name
        target = await self._users.nid_of(UserID(state_key)) if type_ == "m.room.member" else None
        return StateChange(change.slot, change.event, target, change.takes_place)

    async def _first_changes(self, state: Sequence[Event]) -> list[StateChange]:
        """What brings about the state that a room is entered with."""
        return [
            StateChange(short_ids.slot, event, short_ids.target, takes_place=False, from_line=EVER)
            for event, short_ids in zip(state, await self._all_short_ids(state), strict=True)
            if short_ids.slot is not None
        ]

    async def _asides(self, events: Sequence[Event]) -> list[Aside]:
        announced = await self.announce(events)
        return [announced.aside(event) for event in events]

    async def _short_ids(self, event: Event) -> ShortIds:
        target = _target(event)
        return ShortIds(
            type=await self._types.nid_of(event.type),
            slot=await self._slots.nid_of(event.slot) if event.is_state else None,
            sender=await self._users.nid_of(event.sender),
            target=None if target is None else await self._users.nid_of(target),
        )

    async def _all_short_ids(self, events: Sequence[Event]) -> list[ShortIds]:
        """Of each event; those that are missing are made together."""
        announced = await self.announce(events)
        return [announced.short_ids(event) for event in events]


def _target(event: Event) -> UserID | None:
    """The user whose membership it is."""
    return UserID(event.state_key) if event.type == "m.room.member" and event.state_key is not None else None


def _arrived(outcome: Position | Failure, head: Head, event_id: EventID) -> Position | Failure:
    head.arrive(event_id)
    return outcome
