"""Giving events that are older than what is here their place in the timeline.

https://spec.matrix.org/v1.19/server-server-api/#backfilling-and-retrieving-missing-events
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from homeserver.protocol.event_auth import AuthRejected
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID
from homeserver.rooms.graph.auth_graph import RoomKey, UnknownEvents
from homeserver.rooms.graph.newcomer import GivenState, Newcomer
from homeserver.rooms.graph.resolution import State
from homeserver.rooms.graph.vertices import Aside, Fork
from homeserver.rooms.graph.writing import OnFork, write_forks
from homeserver.rooms.store.events import Entrance, enter_timeline, event_nids, line_at, positions_before
from homeserver.rooms.store.graph import (
    add_missing,
    graph_events,
    insert_refusals,
    missing_events,
    remove_missing,
)
from homeserver.rooms.store.spans import slot_nids
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import current_position


@dataclass(frozen=True, slots=True)
class Gap:
    """Where older events go: right before the position `end`. `line` is where the room's line is there."""

    end: int
    line: int


class Filled(NamedTuple):
    """An event that has its place among older ones, with the state before it; the room's line is at `line` there."""

    aside: Aside
    position: int
    line: int
    before: State


def find_gap(txn: Transaction, room: int, events: Sequence[Event]) -> Gap | None:
    """Where the events have room before what names one of them; None where nothing that is here does."""
    missing = missing_events(txn, room)
    named_at = [missing[event.event_id] for event in events if event.event_id in missing]
    if not named_at:
        return None
    end = min(named_at)
    for start in positions_before(txn, room, end):
        if end - start > len(events):
            return Gap(end, line_at(txn, room, start))
        # Other branches of the room were here first: these come before them.
        end = start
    # Numbers below zero, so that history is never taken for news.
    return Gap(min(end, 0), 0)


def fill_gap(
    txn: Transaction, room: RoomKey, asides: Sequence[Aside], given: Mapping[EventID, GivenState]
) -> list[Filled]:
    """Gives events, oldest first, their places; those that got one.

    They are here beside the timeline. `given` is the state before those whose predecessors are not here; without
    it such an event stays where it is, and so does one that is not allowed.
    """
    events = [aside.event for aside in asides]
    gap = find_gap(txn, room.nid, events)
    if gap is None:
        return []
    placed = []
    for position, aside in enumerate(asides, gap.end - len(events)):
        before = _Filling(txn, room, aside.event, gap.line).place(position, given.get(aside.event.event_id))
        if before is not None:
            placed.append(Filled(aside, position, gap.line, before))
    here = graph_events(txn, [event.event_id for event in events])
    remove_missing(txn, room.nid, [event_id for event_id, one in here.items() if one.states is not None])
    return placed


class _Filling:
    def __init__(self, txn: Transaction, room: RoomKey, event: Event, line: int) -> None:
        self._txn = txn
        self._room = room
        self._event = event
        self._line = line
        self._newcomer = Newcomer(txn, room, event)

    def place(self, position: int, given: GivenState | None) -> State | None:
        """The state before the event; None where it gets no place."""
        nid = self._newcomer.known
        if nid is None or self._newcomer.is_done:
            return None
        try:
            before = self._newcomer.state_before(given, self._line)
            # Also what only a rejected event follows belongs to the room's history.
            add_missing(self._txn, self._room.nid, self._newcomer.missing, position)
            self._newcomer.check(before)
        except UnknownEvents:
            return None
        except AuthRejected as error:
            insert_refusals(self._txn, [(nid, current_position(self._txn), False, str(error))])
            write_forks(self._txn, [OnFork(nid, self._room.nid, None, self._line, Fork(before))])
            return None
        self._enter(nid, position, before)
        return before

    def _enter(self, nid: int, position: int, before: State) -> None:
        txn, event, slot, replaces = self._txn, self._event, None, None
        if event.is_state:
            slot = slot_nids(txn, [event.slot])[event.slot]
            replaced = self._newcomer.states.lookup(before).get(event.slot)
            replaces = None if replaced is None else event_nids(txn, [replaced.event_id])[replaced.event_id]
        entrance = Entrance(nid, position, self._line, self._line, replaces, on_fork=True, is_history=True)
        enter_timeline(txn, [entrance])
        write_forks(txn, [OnFork(nid, self._room.nid, slot, self._line, Fork(before))])
