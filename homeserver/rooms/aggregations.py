"""Bundled aggregations: what pages of events tell of the events' children, in a few statements for each page.

https://spec.matrix.org/v1.19/client-server-api/#aggregations-of-child-events
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from homeserver.protocol.identifiers import EventID, UserID
from homeserver.protocol.relations import ANNOTATION, REFERENCE, REPLACE, THREAD, relation_of
from homeserver.rooms.ignored import ignored_senders
from homeserver.rooms.reading import timeline_events
from homeserver.rooms.seen import Bundle, Seen, Thread
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.store.members import MemberRow
from homeserver.rooms.store.relations import (
    SenderCount,
    latest_edits,
    latest_of_threads,
    references_to,
    sender_counts,
    sender_counts_upto,
)
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.view import CURRENT, RoomView
from homeserver.rooms.visibility import visible_events
from homeserver.storage.engine import Transaction

_AGGREGATED = (REFERENCE, REPLACE, THREAD)
# What is only about another event has no children.
_CHILDLESS = (ANNOTATION, REPLACE)


class Viewing(Protocol):
    """For whom a page is: a user, by ID and by short id, on a device."""

    @property
    def user_id(self) -> UserID: ...

    @property
    def user_nid(self) -> int: ...

    @property
    def device_nid(self) -> int | None: ...


def bundled(
    txn: Transaction,
    viewing: Viewing,
    view: RoomView,
    page: Sequence[Seen],
    parents: Collection[int] | None = None,
) -> list[Seen]:
    """The page, of one room, with what is known of its events' children.

    `parents` are the short ids of those that have children, where that is known.
    """
    return bundled_in_rooms(txn, viewing, {view.room: view.member}, page, view.upto, parents)


def bundled_in_rooms(
    txn: Transaction,
    viewing: Viewing,
    members: Mapping[int, MemberRow | None],
    page: Sequence[Seen],
    upto: int = CURRENT,
    parents: Collection[int] | None = None,
) -> list[Seen]:
    """The page with what is known of its events' children up to a position.

    `members` are the user's memberships in the rooms of the page, by room. A page without parents costs one
    statement; none if it has state events only, or if that is known.
    """
    asked = page if parents is None else [one for one in page if one.event.nid in parents]
    bundles = _Aggregation(txn, viewing, members, upto).of(asked)
    return [one._replace(bundle=bundles.get(one.event.key.event_id)) for one in page] if bundles else [*page]


@dataclass(slots=True)
class _Parent:
    """An event with children: how many of each type and sender."""

    event: TimelineEvent
    rel_type: str | None
    counts: list[SenderCount] = field(default_factory=list)

    def has(self, rel_type: str) -> bool:
        return any(count.rel_type == rel_type for count in self.counts)


class _Aggregation:
    """One viewer's bundles of one page."""

    def __init__(
        self, txn: Transaction, viewing: Viewing, members: Mapping[int, MemberRow | None], upto: int
    ) -> None:
        self._txn = txn
        self._viewing = viewing
        self._members = members
        self._upto = upto
        self._ignored: Collection[int] = ()

    def of(self, page: Sequence[Seen]) -> dict[EventID, Bundle]:
        parents = self._parents(page)
        if not parents:
            return {}
        self._ignored = ignored_senders(self._txn, self._viewing.user_nid)
        threads = self._threads(parents)
        # What is newest in a thread is shown as it is elsewhere, with its own children.
        inner = self._parents(thread.latest for thread in threads.values())
        unknown = {event_id: parent for event_id, parent in inner.items() if event_id not in parents}
        edits, references = self._edits_and_references(parents | unknown)
        for event_id, thread in threads.items():
            latest_id = thread.latest.event.key.event_id
            inside = _bundle(None, edits.get(latest_id), references.get(latest_id, ()))
            latest = thread.latest._replace(bundle=inside)
            threads[event_id] = Thread(latest, thread.count, thread.participated)
        found = {
            event_id: _bundle(threads.get(event_id), edits.get(event_id), references.get(event_id, ()))
            for event_id in parents
        }
        return {event_id: bundle for event_id, bundle in found.items() if bundle is not None}

    def _parents(self, page: Iterable[Seen]) -> dict[EventID, _Parent]:
        """Those of the page that may have children, and have some."""
        events = {one.event.key.event_id: one.event for one in page if not one.event.is_state}
        parents: dict[EventID, _Parent] = {}
        for count in self._counts(events):
            event = events[count.parent]
            if count.parent not in parents:
                relation = relation_of(event.content)
                parents[count.parent] = _Parent(event, None if relation is None else relation.rel_type)
            if count.room == event.room:
                parents[count.parent].counts.append(count)
        return {event_id: parent for event_id, parent in parents.items() if parent.rel_type not in _CHILDLESS}

    def _counts(self, events: Collection[EventID]) -> Sequence[SenderCount]:
        if not events:
            return ()
        if self._upto == CURRENT:
            return sender_counts(self._txn, events, _AGGREGATED)
        return sender_counts_upto(self._txn, events, _AGGREGATED, self._upto)

    def _threads(self, parents: Mapping[EventID, _Parent]) -> dict[EventID, Thread]:
        roots = [
            event_id for event_id, parent in parents.items() if parent.has(THREAD) and parent.rel_type is None
        ]
        if not roots:
            return {}
        newest = latest_of_threads(self._txn, roots, self._ignored, self._upto)
        seen = self._seen(newest.values())
        return {
            root: self._thread(parents[root], seen[child]) for root, child in newest.items() if child in seen
        }

    def _thread(self, root: _Parent, latest: Seen) -> Thread:
        replies = [count for count in root.counts if count.rel_type == THREAD]
        is_own = root.event.sender == self._viewing.user_id
        return Thread(
            latest,
            sum(count.children for count in replies if count.sender not in self._ignored),
            is_own or any(count.sender == self._viewing.user_nid for count in replies),
        )

    def _edits_and_references(
        self, parents: Mapping[EventID, _Parent]
    ) -> tuple[dict[EventID, Seen], dict[EventID, list[EventID]]]:
        edited = [
            event_id
            for event_id, parent in parents.items()
            if parent.has(REPLACE) and parent.event.redacted_because is None
        ]
        newest = latest_edits(self._txn, edited, self._upto) if edited else {}
        seen = self._seen(newest.values())
        referred = [event_id for event_id, parent in parents.items() if parent.has(REFERENCE)]
        references = references_to(self._txn, referred, self._ignored, self._upto) if referred else {}
        return {event_id: seen[child] for event_id, child in newest.items() if child in seen}, references

    def _seen(self, nids: Collection[int]) -> dict[int, Seen]:
        """The events that the viewer may see, by their short ids."""
        if not nids:
            return {}
        rows = events_by_nid(self._txn, list(nids))
        events = timeline_events(self._txn, rows, self._viewing)
        found: dict[int, Seen] = {}
        for room in {event.room for event in events}:
            member = self._members.get(room)
            inside = [event for event in events if event.room == room]
            seen = visible_events(self._txn, room, self._viewing.user_id, member, inside)
            found.update((one.event.nid, one) for one in seen)
        return found


def _bundle(thread: Thread | None, edit: Seen | None, references: Sequence[EventID]) -> Bundle | None:
    return Bundle(thread, edit, references) if thread or edit or references else None
