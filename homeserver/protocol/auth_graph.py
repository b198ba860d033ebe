"""The graph that events and the events that authorise them make.

https://spec.matrix.org/v1.19/rooms/v12/#definitions
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from functools import cached_property
from typing import Protocol

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.identifiers import EventID


class AuthGraph(Protocol):
    """What state resolution asks about a room's events. A store answers without loading whole chains."""

    def event(self, event_id: EventID) -> Event:
        """An event that is in a state to resolve, or in the auth chain of one."""

    def is_rejected(self, event_id: EventID) -> bool: ...

    def auth_difference(
        self, state_sets: Sequence[Set[EventID]], unconflicted: Mapping[Slot, EventID]
    ) -> Set[EventID]:
        """The events that are in the auth chains of some states, but not of all.

        Each state has the events of one of `state_sets` and all of `unconflicted`. An event counts to its own
        auth chain: the specification says otherwise, but so the network computes it, and servers must agree.
        """

    def conflicted_subgraph(self, conflicted: Set[EventID]) -> Set[EventID]:
        """The events on paths along auth events between events of `conflicted`, and those themselves."""


def auth_event_ids(event: Event) -> tuple[EventID, ...]:
    """The auth events, with the create event that those of room version 12 cite by their room ID."""
    if event.version.room_id_is_create_hash and event.type != "m.room.create":
        return (*event.auth_events, EventID("$" + event.room_id[1:]))
    return event.auth_events


def ids_in_auth_order(events: Mapping[EventID, Event]) -> list[EventID]:
    """The IDs of all the events, each after those of the events that authorise it.

    Raises ValueError where they authorise each other in a circle, as only those of room versions 1 and 2 can.
    """
    order: dict[EventID, None] = {}
    begun: set[EventID] = set()
    for start in events:
        pending = [start]
        while pending:
            event_id = pending[-1]
            ahead = [one for one in auth_event_ids(events[event_id]) if one in events and one not in order]
            if not ahead or event_id in order:
                order[event_id] = None
                pending.pop()
            elif event_id in begun:
                raise ValueError(f"{event_id} authorises itself")
            else:
                begun.add(event_id)
                pending += ahead
    return list(order)


class LoadedAuthGraph:
    """An auth graph of which all events are in memory.

    The first question about a difference indexes them; from then on, what an answer costs follows the difference.
    """

    def __init__(self, events: Mapping[EventID, Event], rejected: Collection[EventID] = frozenset()) -> None:
        """`events` has the auth chains of all its events, and does not change."""
        self._events = events
        self._rejected = rejected

    def event(self, event_id: EventID) -> Event:
        return self._events[event_id]

    def is_rejected(self, event_id: EventID) -> bool:
        return event_id in self._rejected

    def auth_difference(
        self, state_sets: Sequence[Set[EventID]], unconflicted: Mapping[Slot, EventID]
    ) -> Set[EventID]:
        first, *others = [self.auth_chain(state_set) for state_set in state_sets]
        differing = first.union(*others) - first.intersection(*others)
        supports_none: set[EventID] = set()
        return {
            event_id for event_id in differing if not self._supports(event_id, unconflicted, supports_none)
        }

    def conflicted_subgraph(self, conflicted: Set[EventID]) -> Set[EventID]:
        cited_by = _cited_by(map(self.event, self.auth_chain(conflicted)))
        return _reachable(conflicted, lambda event_id: cited_by.get(event_id, ()))

    def auth_chain(self, event_ids: Iterable[EventID]) -> set[EventID]:
        """The events, those that authorise them, and so on."""
        return _reachable(event_ids, lambda event_id: auth_event_ids(self._events[event_id]))

    @cached_property
    def _all_cited_by(self) -> Mapping[EventID, Sequence[EventID]]:
        return _cited_by(event for event in self._events.values() if event.is_state)

    def _supports(
        self, event_id: EventID, state: Mapping[Slot, EventID], supports_none: set[EventID]
    ) -> bool:
        """Whether the event is in the auth chain of `state`.

        Looked for from the event on, as the chain of a whole room's state is most of the room. What turns out
        to support none is added to `supports_none`.
        """
        if state.get(self._events[event_id].slot) == event_id:
            return True
        seen = {event_id}
        pending = [event_id]
        while pending:
            for later in self._all_cited_by.get(pending.pop(), ()):
                if later in seen or later in supports_none:
                    continue
                if state.get(self._events[later].slot) == later:
                    return True
                seen.add(later)
                pending.append(later)
        supports_none |= seen
        return False


def _cited_by(events: Iterable[Event]) -> Mapping[EventID, Sequence[EventID]]:
    """Which of the events cite an event as one that authorises them."""
    cited_by: dict[EventID, list[EventID]] = {}
    for event in events:
        for auth_id in auth_event_ids(event):
            cited_by.setdefault(auth_id, []).append(event.event_id)
    return cited_by


def _reachable(starts: Iterable[EventID], edges: Callable[[EventID], Iterable[EventID]]) -> set[EventID]:
    reached = set(starts)
    pending = list(reached)
    while pending:
        for event_id in edges(pending.pop()):
            if event_id not in reached:
                reached.add(event_id)
                pending.append(event_id)
    return reached
