"""Receiving once more what came to a room while most of its members were not known.

What was told of them then may have been out of date, so that events were accepted that should have been refused, or
the other way round.
"""

from collections.abc import Mapping, Sequence

from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.room_versions import room_version
from homeserver.rooms.appends import StateChange
from homeserver.rooms.graph.auth_graph import RoomKey, StoredEvents
from homeserver.rooms.graph.newcomer import GivenState, Newcomer
from homeserver.rooms.graph.receipt import Receipt, Tip, receive
from homeserver.rooms.graph.resolution import Resolver, State
from homeserver.rooms.graph.vertices import Fork, Refusal
from homeserver.rooms.graph.writing import NOWHERE, OnFork, write_forks
from homeserver.rooms.redactions import mark_beside
from homeserver.rooms.removals import mark_sent
from homeserver.rooms.store.events import Entrance, enter_timeline, event_ids, event_nids, place_of
from homeserver.rooms.store.graph import graph_events, insert_refusals, states_of
from homeserver.rooms.store.heads import heads_by_nid, update_heads
from homeserver.rooms.store.overrides import StateRef
from homeserver.rooms.store.partial import PartialRow
from homeserver.rooms.store.spans import OPEN, Span, close_spans, events_at, insert_spans, slot_names
from homeserver.rooms.store.taking_back import (
    Arrival,
    arrivals_after,
    delete_states,
    history_after,
    take_back,
)
from homeserver.rooms.store.whole_rooms import stored_events
from homeserver.rooms.verification.rebuilding import Rebuildable, rebuild_room
from homeserver.rooms.verification.stored import read_event
from homeserver.runtime.clock import Clock
from homeserver.storage.engine import Transaction


class Rejudging:
    """Both steps belong into the transaction in which the last members are filled in."""

    def __init__(self, rebuildables: Sequence[Rebuildable], clock: Clock) -> None:
        self._rebuildables = rebuildables
        self._clock = clock

    def judge_again(self, txn: Transaction, entry: PartialRow) -> list[StateChange]:
        """Receives all events since the join by which the room was entered.

        Returns what became of the current members. Raises UnknownEvents where an event rests on what is not here.
        """
        head = heads_by_nid(txn, [entry.room])[entry.room]
        room = RoomKey(head.nid, head.room_id, room_version(head.version))
        before = events_at(txn, room.nid, head.state_line)
        tip = _Judging(txn, room, entry).run()
        update_heads(txn, [head._replace(state_line=tip.line, extremities=tip.extremities)])
        return _changed_members(txn, room, before, events_at(txn, room.nid, tip.line), entry)

    def derive_again(self, txn: Transaction, room: int) -> None:
        """Derives all else from the places that the events have now. Raises Unreadable."""
        rebuild_room(txn, room, self._rebuildables, self._clock.now_ms())


class _Judging:
    def __init__(self, txn: Transaction, room: RoomKey, entry: PartialRow) -> None:
        joined = graph_events(txn, [entry.event_id])[entry.event_id].states
        assert joined is not None, "it is in the timeline"
        self._txn = txn
        self._room = room
        self._line = joined.after.line
        self._arrivals = arrivals_after(txn, room.nid, entry.position)
        self._events = StoredEvents(txn, room)
        self._resolver = Resolver(txn, room)
        self._tip = Tip(room, self._line, (entry.event_id,))
        self._entry = entry

    def run(self) -> Tip:
        self._events.load(one.event_id for one in self._arrivals)
        given = self._given()
        history = self._history()
        take_back(self._txn, self._room.nid, self._line, self._arrivals)
        delete_states(self._txn, [one.nid for one in history])
        write_forks(self._txn, history)
        for arrival in self._arrivals:
            self._receive(arrival, given.get(arrival.event_id))
        return self._tip

    def _given(self) -> Mapping[EventID, GivenState]:
        """The states before those events whose predecessors are not here, as another server told them."""
        return {
            arrival.event_id: self._state_before(arrival)
            for arrival in self._arrivals
            if Newcomer(self._txn, self._room, self._events.get(arrival.event_id)).missing
        }

    def _state_before(self, arrival: Arrival) -> GivenState:
        states = graph_events(self._txn, [arrival.event_id])[arrival.event_id].states
        assert states is not None, "it was received"
        values = self._resolver.all_values(self._resolver.read(states.before))
        names, ids = slot_names(self._txn, values), event_ids(self._txn, values.values())
        return {names[slot]: ids[nid] for slot, nid in values.items()}

    def _history(self) -> list[OnFork]:
        """What filled gaps since the join keeps its place and its states, which must not rest on what goes."""
        found = history_after(self._txn, self._room.nid, self._entry.position, self._line)
        states = states_of(self._txn, [nid for nid, _ in found])
        return [
            OnFork(nid, self._room.nid, slot, self._line, Fork(self._on_line(states[nid].before)))
            for nid, slot in found
        ]

    def _on_line(self, ref: StateRef) -> State:
        return State(self._line, self._resolver.relative_to(self._resolver.read(ref), self._line))

    def _receive(self, arrival: Arrival, given: GivenState | None) -> None:
        event = self._events.get(arrival.event_id)
        receipt = receive(self._txn, self._tip, event, arrival.slot, given)
        assert receipt is not None, "it is as if it had not been received before"
        if receipt.refusal is not None:
            self._refuse(arrival, receipt, receipt.refusal)
        else:
            self._accept(arrival, event, receipt)

    def _refuse(self, arrival: Arrival, receipt: Receipt, refusal: Refusal) -> None:
        insert_refusals(self._txn, [(arrival.nid, arrival.at, refusal.soft, refusal.reason)])
        self._write_fork(arrival, receipt, arrival.slot if refusal.soft else None, NOWHERE)

    def _accept(self, arrival: Arrival, event: Event, receipt: Receipt) -> None:
        line = self._tip.line
        after = line + bool(receipt.changes)
        replaced = None if receipt.replaces is None else place_of(self._txn, receipt.replaces.event_id)
        place = Entrance(
            arrival.nid,
            arrival.at,
            line,
            after,
            None if replaced is None else replaced.nid,
            on_fork=receipt.fork is not None,
        )
        enter_timeline(self._txn, [place])
        self._write_fork(arrival, receipt, arrival.slot, after)
        self._write_spans(receipt, after)
        if event.type == "m.room.redaction":
            # What it names of the timeline is found when that is derived anew.
            before = State(line, {}) if receipt.fork is None else receipt.fork.before
            mark_beside(self._txn, self._room, arrival.nid, event, before)
        mark_sent(self._txn, self._room, event, arrival.nid, arrival.at)
        self._tip = Tip(self._room, after, receipt.extremities)

    def _write_fork(self, arrival: Arrival, receipt: Receipt, slot: int | None, line: int) -> None:
        if receipt.fork is not None:
            write_forks(self._txn, [OnFork(arrival.nid, self._room.nid, slot, line, receipt.fork)])

    def _write_spans(self, receipt: Receipt, line: int) -> None:
        room, changes = self._room.nid, receipt.changes
        close_spans(self._txn, [(room, change.slot, line) for change in changes if change.takes_place])
        standing = [(change.slot, change.event.event_id) for change in changes if change.event is not None]
        nids = event_nids(self._txn, [event_id for _, event_id in standing])
        insert_spans(self._txn, [Span(room, slot, line, OPEN, nids[one]) for slot, one in standing])


def _changed_members(
    txn: Transaction, room: RoomKey, before: Mapping[int, int], after: Mapping[int, int], entry: PartialRow
) -> list[StateChange]:
    changed = {slot for slot in before.keys() | after.keys() if before.get(slot) != after.get(slot)}
    stood = {slot: after.get(slot, before.get(slot, 0)) for slot in changed}
    rows = {row.nid: row for row in stored_events(txn, stood.values())}
    changes = []
    for slot, nid in stood.items():
        row = rows[nid]
        if row.slot_type == "m.room.member":
            event = read_event(row, room.room_id, room.version) if slot in after else None
            number = nid if slot in after else entry.event
            changes.append(StateChange(slot, event, row.target, slot in before, None, number))
    return changes
