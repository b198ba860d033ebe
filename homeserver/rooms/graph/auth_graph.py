"""The auth graph of a room as its store answers for it: an `AuthGraph` whose costs follow what is asked.

An event is stored after all that it cites, so short ids grow along every path of the graph.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from homeserver.protocol.auth_graph import auth_event_ids
from homeserver.protocol.event import Event, Slot
from homeserver.protocol.events import from_stored
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.protocol.power_levels import POWER_LEVELS
from homeserver.protocol.room_versions import RoomVersion
from homeserver.rooms.store.events import event_ids, event_nids, stored_pdus
from homeserver.rooms.store.graph import cited_by, cited_in_state, citing
from homeserver.rooms.store.spans import event_id_at, events_at, slot_names
from homeserver.storage.engine import Transaction

# What nearly every event cites. Their chains belong to any state, so a walk that meets them need not go on.
_CITED_BY_MOST = (POWER_LEVELS, ("m.room.join_rules", ""))


class UnknownEvents(Exception):
    """Events are needed that are not here."""

    def __init__(self, event_ids: Collection[EventID]) -> None:
        super().__init__(", ".join(event_ids))
        self.event_ids = event_ids


@dataclass(frozen=True, slots=True)
class RoomKey:
    """What identifies a room in the store, and the rules it has."""

    nid: int
    room_id: RoomID
    version: RoomVersion


class StoredEvents:
    """Events read for one transaction, each once."""

    def __init__(self, txn: Transaction, room: RoomKey) -> None:
        self._txn = txn
        self._room = room
        self._events: dict[EventID, Event] = {}
        self._rejected: set[EventID] = set()

    def load(self, wanted: Iterable[EventID]) -> None:
        """Reads in one statement what `get` would read one by one. Raises UnknownEvents."""
        missing = {event_id for event_id in wanted if event_id not in self._events}
        if not missing:
            return
        for pdu in stored_pdus(self._txn, self._room.nid, missing):
            self._events[pdu.event_id] = from_stored(
                pdu.client, pdu.federation, self._room.room_id, self._room.version
            )
            if pdu.is_rejected:
                self._rejected.add(pdu.event_id)
        unknown = missing - self._events.keys()
        if unknown:
            raise UnknownEvents(unknown)

    def get(self, event_id: EventID) -> Event:
        self.load([event_id])
        return self._events[event_id]

    def is_rejected(self, event_id: EventID) -> bool:
        self.load([event_id])
        return event_id in self._rejected


class AgreedState(Mapping[Slot, EventID]):
    """What states have in common that differ in some slots only; read as it is asked for.

    It is the state at a number of the room's line, without the slots in which the states differ from it, and with
    `others` in the place of some of those.
    """

    def __init__(
        self,
        txn: Transaction,
        room: int,
        line: int,
        without: Mapping[int, Slot],
        others: Mapping[Slot, EventID],
    ) -> None:
        """`without` are the slots by their short ids."""
        self.others = others
        self._txn = txn
        self._room = room
        self._line = line
        self._without = without
        self._found: dict[Slot, EventID | None] = {**dict.fromkeys(without.values()), **others}

    def __getitem__(self, slot: Slot) -> EventID:
        if slot not in self._found:
            self._found[slot] = event_id_at(self._txn, self._room, self._line, slot)
        event_id = self._found[slot]
        if event_id is None:
            raise KeyError(slot)
        return event_id

    def __iter__(self) -> Iterator[Slot]:
        at_line = events_at(self._txn, self._room, self._line).keys() - self._without.keys()
        yield from slot_names(self._txn, at_line).values()
        yield from self.others

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def has_or_cites(self, nids: Set[int]) -> set[int]:
        """Which of the events the state of the line has in it or cites; of those in `others` it does not know."""
        return cited_in_state(self._txn, self._room, self._line, nids, self._without)


class StoredAuthGraph:
    """An `AuthGraph` for states that have `agreed` in common."""

    def __init__(self, txn: Transaction, events: StoredEvents, agreed: AgreedState) -> None:
        self._txn = txn
        self._events = events
        self._agreed = agreed

    def event(self, event_id: EventID) -> Event:
        return self._events.get(event_id)

    def is_rejected(self, event_id: EventID) -> bool:
        return self._events.is_rejected(event_id)

    def auth_difference(
        self, state_sets: Sequence[Set[EventID]], unconflicted: Mapping[Slot, EventID]
    ) -> Set[EventID]:
        nids = event_nids(self._txn, list(set().union(*state_sets)))
        walk = _Walk(self._txn, everyone=(1 << len(state_sets)) - 1)
        for index, state_set in enumerate(state_sets):
            walk.begin((nids[event_id] for event_id in state_set), 1 << index)
        walk.begin(self._common_beginnings(unconflicted), walk.everyone)
        candidates = walk.not_reached_by_all()
        return self._loaded(candidates - self._below_agreed(candidates))

    def conflicted_subgraph(self, conflicted: Set[EventID]) -> Set[EventID]:
        nids = set(event_nids(self._txn, list(conflicted)).values())
        cites = self._down_to(min(nids, default=0), nids)
        on_path = set(nids)
        for nid in sorted(cites):
            if any(cited in on_path for cited in cites[nid]):
                on_path.add(nid)
        return self._loaded(on_path)

    def _loaded(self, nids: Collection[int]) -> set[EventID]:
        """The IDs of events, which are read with all that the resolution is going to ask of them."""
        found = set(event_ids(self._txn, nids).values())
        self._events.load(found)
        self._events.load({cited for one in found for cited in auth_event_ids(self._events.get(one))})
        return found

    def _common_beginnings(self, unconflicted: Mapping[Slot, EventID]) -> Collection[int]:
        """Some of what is in all states: where it leads, no walk need go."""
        found = [unconflicted[slot] for slot in _CITED_BY_MOST if slot in unconflicted]
        return event_nids(self._txn, [*found, *self._agreed.others.values()]).values()

    def _below_agreed(self, candidates: Set[int]) -> set[int]:
        """Those of the candidates that are in the auth chain of what all states agree on.

        Looked for from them on, as the chain of a whole room's state is most of the room.
        """
        below: set[int] = set()
        above: dict[int, list[int]] = {}
        pending = set(candidates)
        while pending:
            settled = self._agreed.has_or_cites(pending)
            below |= settled
            found = citing(self._txn, pending - settled)
            above |= found
            pending = {later for laters in found.values() for later in laters} - above.keys() - below
        for nid in sorted(above, reverse=True):
            if any(later in below for later in above[nid]):
                below.add(nid)
        return below & candidates

    def _down_to(self, oldest: int, starts: Set[int]) -> dict[int, list[int]]:
        """What the events cite, and so on, as far as it is not older than `oldest`."""
        cites: dict[int, list[int]] = {}
        pending = set(starts)
        while pending:
            found = cited_by(self._txn, pending)
            cites |= {nid: [one for one in cited if one >= oldest] for nid, cited in found.items()}
            pending = {cited for nid in found for cited in cites[nid]} - cites.keys()
        return cites


class _Walk:
    """Down the auth chains of several states at once, from the newest event on, until all of them have met."""

    def __init__(self, txn: Transaction, everyone: int) -> None:
        """`everyone` has a bit for each state."""
        self.everyone = everyone
        self._txn = txn
        self._reached_by: dict[int, int] = {}
        self._pending: list[int] = []
        self._apart = 0
        self._cites: dict[int, list[int]] = {}

    def begin(self, nids: Iterable[int], states: int) -> None:
        for nid in nids:
            self._reach(nid, states)

    def not_reached_by_all(self) -> set[int]:
        found = set()
        # What is below events that all have reached has been reached by all.
        while self._apart:
            nid = -heapq.heappop(self._pending)
            states = self._reached_by[nid]
            if states != self.everyone:
                found.add(nid)
                self._apart -= 1
            for cited in self._cited_by(nid):
                self._reach(cited, states)
        return found

    def _reach(self, nid: int, states: int) -> None:
        before = self._reached_by.get(nid, 0)
        after = self._reached_by[nid] = before | states
        if not before:
            heapq.heappush(self._pending, -nid)
        self._apart += (after != self.everyone) - (before not in (0, self.everyone))

    def _cited_by(self, nid: int) -> list[int]:
        if nid not in self._cites:
            # All that wait are needed sooner or later, unless the walk ends before.
            waiting = {nid, *(-one for one in self._pending)} - self._cites.keys()
            self._cites |= cited_by(self._txn, waiting)
        return self._cites[nid]
