"""The edges between events and those that they cite, and the events that others name and that are not here."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID
from homeserver.rooms.store.events import event_nids
from homeserver.rooms.store.graph import MOST_MISSING, cited_by
from homeserver.rooms.verification.events import Known, RoomEvents
from homeserver.storage.engine import Transaction

Edge = tuple[int, int]
"""(cited event, citing event)"""


class WrongEdges(NamedTuple):
    missing: Sequence[Edge]
    needless: Sequence[Edge]


def wrong_edges(txn: Transaction, room: int, page: Sequence[Known]) -> WrongEdges:
    """Of the edges from the events of a page that can be read."""
    readable = [known for known in page if known.event is not None]
    cited = {
        known.row.nid: known.event.auth_events
        for known in readable
        if known.event is not None and known.event.is_state
    }
    nids = event_nids(txn, list({event_id for ids in cited.values() for event_id in ids}))
    asked = {
        (nids[event_id], citing) for citing, ids in cited.items() for event_id in ids if event_id in nids
    }
    stored = {
        (one, citing)
        for citing, ones in cited_by(txn, [known.row.nid for known in readable]).items()
        for one in ones
    }
    # All cite the create event, whose number is the room's. What came after it was cited may have no edge.
    right = {(one, citing) for one, citing in asked if one != room}
    needed = {(one, citing) for one, citing in right if one < citing}
    return WrongEdges(sorted(needed - stored), sorted(stored - right))


class Gaps:
    """Which predecessors are missing, by the events that were fed to it, beside what is `stored` of them."""

    def __init__(self, events: RoomEvents, stored: dict[EventID, int]) -> None:
        self._events = events
        self._stored = stored
        self._unnamed = set(stored)
        self._missing: dict[EventID, int] = {}

    def follow(self, known: Known) -> None:
        row, event = known
        if event is None:
            return
        self._unnamed.difference_update(event.prev_events)
        if row.position is None:
            return
        near = self._events.near(event.prev_events)
        for prev in event.prev_events:
            if prev not in near or near[prev].states is None:
                self._missing[prev] = min(row.position, self._missing.get(prev, row.position))

    def unknown(self) -> Iterator[tuple[EventID, int]]:
        """Missing events of which nothing is stored, with the positions of the first that name them.

        Only the newest are remembered, and some of those were named before by what has no position.
        """
        newest = sorted(self._missing.items(), key=lambda item: item[1])[-MOST_MISSING:]
        for event_id, position in newest:
            stored = self._stored.get(event_id)
            if (stored is None and len(self._stored) < MOST_MISSING) or (
                stored is not None and stored > position
            ):
                yield event_id, position

    def needless(self) -> list[EventID]:
        """What is stored as missing and no event names."""
        return sorted(self._unnamed)
