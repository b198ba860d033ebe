"""The state that several states of a room resolve to, by what they differ in.

A state is given as a number of the room's line with what differs from it (`StateRef`), so that what a resolution
costs follows the difference between the states, not the size of the room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.state_resolution import resolve
from homeserver.rooms.graph.auth_graph import AgreedState, RoomKey, StoredAuthGraph, StoredEvents
from homeserver.rooms.store.events import event_ids, event_nids
from homeserver.rooms.store.overrides import Changes, StateRef, read_override
from homeserver.rooms.store.spans import event_id_at, events_at, slot_names, slots_changed
from homeserver.storage.engine import Transaction


@dataclass(frozen=True, slots=True)
class State:
    """A state of a room: that of a number of its line, but for `changes`.

    `override` is under which number the changes are stored, None where they are not or there are none.
    """

    line: int
    changes: Changes
    override: int | None = None
    height: int = -1
    """Of the override; -1 where there is none."""


class Resolver:
    """Reads and resolves states of one room in one transaction."""

    def __init__(self, txn: Transaction, room: RoomKey) -> None:
        self._txn = txn
        self._room = room
        self.events = StoredEvents(txn, room)

    def read(self, ref: StateRef) -> State:
        override = read_override(self._txn, ref.override)
        return State(ref.line, override.changes, ref.override, override.height)

    def values(self, state: State, slots: set[int]) -> dict[int, int]:
        """The events of some slots, as short ids."""
        return _with_changes(events_at(self._txn, self._room.nid, state.line, slots), state.changes, slots)

    def all_values(self, state: State) -> dict[int, int]:
        """The whole state as short ids, event by slot."""
        at_line = events_at(self._txn, self._room.nid, state.line)
        return _with_changes(at_line, state.changes, at_line.keys() | state.changes.keys())

    def lookup(self, state: State) -> "StateLookup":
        """The state as the authorisation rules ask for it."""
        return StateLookup(self._txn, self._room, self.events, state)

    def relative_to(self, state: State, line: int) -> Changes:
        """What differs between a state and that of the line at `line`."""
        slots = slots_changed(self._txn, self._room.nid, min(state.line, line), max(state.line, line))
        slots |= state.changes.keys()
        values = self.values(state, slots)
        return difference(events_at(self._txn, self._room.nid, line, slots), values, slots)

    def resolve(self, states: Sequence[State]) -> State:
        """One state from several, at least one."""
        first, *others = states
        if all(other.line == first.line and other.changes == first.changes for other in others):
            return first
        line = max(state.line for state in states)
        slots = {slot for state in states for slot in state.changes}
        for other in {state.line for state in states}:
            slots |= slots_changed(self._txn, self._room.nid, other, line)
        values = [self.values(state, slots) for state in states]
        resolved = self._resolve(line, slots, values)
        for state, own in zip(states, values, strict=True):
            # Most often one of the branches has all that the others have.
            if own == resolved:
                return state
        at_line = events_at(self._txn, self._room.nid, line, slots)
        return State(line, difference(at_line, resolved, slots))

    def _resolve(self, line: int, slots: set[int], values: Sequence[Mapping[int, int]]) -> dict[int, int]:
        """The values of `slots` after the resolution of states that have `values` there, and else agree."""
        names = slot_names(self._txn, slots)
        ids = event_ids(self._txn, {nid for own in values for nid in own.values()})
        agreeing = {slot for slot in slots if len({own.get(slot) for own in values}) == 1}
        state_sets = [
            {names[slot]: ids[nid] for slot, nid in own.items() if slot not in agreeing} for own in values
        ]
        common = {names[slot]: ids[values[0][slot]] for slot in agreeing if slot in values[0]}
        agreed = AgreedState(self._txn, self._room.nid, line, names, common)
        self.events.load({event_id for state_set in state_sets for event_id in state_set.values()})
        graph = StoredAuthGraph(self._txn, self.events, agreed)
        resolved = resolve(self._room.version, state_sets, graph, agreed)
        nids = event_nids(self._txn, list(resolved.values()))
        numbers = {name: slot for slot, name in names.items()}
        # Other slots come from auth chains, where the room is not whole: all states agree on them, unknown as they are.
        differing = {numbers[name]: nids[event_id] for name, event_id in resolved.items() if name in numbers}
        return differing | {slot: values[0][slot] for slot in agreeing if slot in values[0]}


class StateLookup:
    """A state by slot, for `check_auth`."""

    def __init__(self, txn: Transaction, room: RoomKey, events: StoredEvents, state: State) -> None:
        self._txn = txn
        self._room = room
        self._events = events
        self._line = state.line
        names = slot_names(txn, state.changes)
        ids = event_ids(txn, [nid for nid in state.changes.values() if nid is not None])
        self._changes: dict[Slot, EventID | None] = {
            names[slot]: None if nid is None else ids[nid] for slot, nid in state.changes.items()
        }

    def get(self, slot: Slot, /) -> Event | None:
        if slot in self._changes:
            event_id = self._changes[slot]
        else:
            event_id = event_id_at(self._txn, self._room.nid, self._line, slot)
        return None if event_id is None else self._events.get(event_id)


def _with_changes(at_line: Mapping[int, int], changes: Changes, slots: set[int]) -> dict[int, int]:
    values = {**at_line, **{slot: changes[slot] for slot in changes.keys() & slots}}
    return {slot: nid for slot, nid in values.items() if nid is not None}


def difference(before: Mapping[int, int], after: Mapping[int, int], slots: set[int]) -> dict[int, int | None]:
    return {slot: after.get(slot) for slot in slots if after.get(slot) != before.get(slot)}
