"""What is new in one room for one user: timeline, state and summary between two positions.

https://spec.matrix.org/v1.19/client-server-api/#syncing
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from homeserver.protocol.filters import RoomEventFilter
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject
from homeserver.rooms.reading import state_events, timeline_events
from homeserver.rooms.state import MEMBER, members_at
from homeserver.rooms.store.events import TimelineRow, events_backwards, line_at, newest_events
from homeserver.rooms.store.members import MemberRow, heroes, summary_counts
from homeserver.rooms.store.spans import changed_state_rows, current_state_rows, state_rows
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.visibility import Seen, visible_events
from homeserver.storage.engine import Transaction

_NAMES = {"m.room.name": "name", "m.room.canonical_alias": "alias"}
_MOST_SCANNED = 1000
"""Events that are looked at for a page, where a filter passes few of them."""


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a sync is read."""

    user_id: UserID
    user_nid: int
    device_nid: int | None
    timeline: RoomEventFilter
    state: RoomEventFilter
    timeline_limit: int


@dataclass(frozen=True, slots=True)
class RoomWork:
    """A room of which something between two positions is wanted; `after` is 0 for a room that is new to the client.

    With `full_state` all state is told, not only what changed.
    """

    member: MemberRow
    after: int
    upto: int
    full_state: bool


@dataclass(slots=True)
class RoomDelta:
    """What is told of one room; `prev_batch` is the position right before the first event of the timeline."""

    member: MemberRow
    timeline: Sequence[Seen]
    limited: bool
    prev_batch: int
    state: Sequence[TimelineEvent] = ()
    summary: JsonObject = field(default_factory=dict)


class RoomReads:
    """Reads the rooms of one sync in one transaction.

    What is the same question for every room that is new to the client is asked once for all of them: an account
    in 500 rooms costs a handful of statements, not thousands.
    """

    def __init__(
        self,
        txn: Transaction,
        reader: Reader,
        works: Sequence[RoomWork],
        known_members: Mapping[int, set[str]],
    ) -> None:
        """`known_members` are, by room, users whose member events the client has; added to when more are sent."""
        self._txn = txn
        self._reader = reader
        self._known_members = known_members
        self._counts = summary_counts(txn, [work.member.room for work in works])
        new = [work for work in works if work.full_state and work.after == 0]
        rooms, upto = [work.member.room for work in new], max((work.upto for work in new), default=0)
        self._pages = newest_events(txn, rooms, upto, reader.timeline_limit + 1)
        self._states = current_state_rows(
            txn, rooms, except_type=MEMBER if reader.state.lazy_load_members else None
        )

    def deltas(self, works: Sequence[RoomWork]) -> list[RoomDelta]:
        """What is new in each room; `works` are those that this was made for."""
        deltas = [self._delta(work) for work in works]
        # Clients name a room after its heroes only where it has no name of its own.
        need_heroes = [delta for delta in deltas if delta.summary and not _is_named(delta)]
        found = heroes(self._txn, [delta.member.room for delta in need_heroes], self._reader.user_nid)
        for delta in need_heroes:
            delta.summary["m.heroes"] = found.get(delta.member.room, [])
        return deltas

    def _delta(self, work: RoomWork) -> RoomDelta:
        delta = self._timeline(work)
        start_line = self._line_at_start(work, delta)
        delta.state = self._state(work, delta, start_line)
        if _membership_may_have_changed(work, delta):
            joined, invited = self._counts.get(work.member.room, (0, 0))
            delta.summary = {"m.joined_member_count": joined, "m.invited_member_count": invited}
        return delta

    def _timeline(self, work: RoomWork) -> RoomDelta:
        """The newest events that pass the filter, at most the limit, oldest first."""
        reader, limit = self._reader, self._reader.timeline_limit
        passed: list[Seen] = []
        upto, scanned, more = work.upto, 0, True
        while more and len(passed) <= limit and scanned < _MOST_SCANNED:
            rows = self._page(work, upto)
            more = len(rows) > limit
            scanned += len(rows)
            if rows:
                upto = rows[-1].position - 1
            events = timeline_events(self._txn, rows, reader.device_nid)
            seen = visible_events(self._txn, work.member.room, reader.user_id, work.member, events)
            passed.extend(one for one in seen if reader.timeline.matches(one.event))
        limited = more or len(passed) > limit
        page = passed[:limit][::-1]
        prev_batch = page[0].event.position - 1 if page else work.upto
        return RoomDelta(work.member, page, limited, prev_batch)

    def _page(self, work: RoomWork, upto: int) -> Sequence[TimelineRow]:
        """One event more than the limit, newest first."""
        read = self._pages.pop(work.member.room, None)
        if read is not None:
            return read
        return events_backwards(
            self._txn, work.member.room, upto, work.after, self._reader.timeline_limit + 1
        )

    def _line_at_start(self, work: RoomWork, delta: RoomDelta) -> int:
        """The number on the state line where the timeline that is sent begins."""
        if delta.timeline:
            return delta.timeline[0].event.state_before
        return line_at(self._txn, work.member.room, work.upto)

    def _state(self, work: RoomWork, delta: RoomDelta, start_line: int) -> list[TimelineEvent]:
        """State at the start of the timeline: all of it, or what changed since the client's last sync."""
        room = work.member.room
        if work.full_state:
            rows = self._all_state(room, start_line)
        elif delta.limited:
            rows = changed_state_rows(self._txn, room, line_at(self._txn, room, work.after), start_line)
        else:
            rows = []
        state = state_events(self._txn, rows)
        if self._reader.state.lazy_load_members:
            state = self._without_idle_members(work, delta, state, start_line)
        return [event for event in state if self._reader.state.matches(event)]

    def _all_state(self, room: int, line: int) -> Sequence[TimelineRow]:
        """All state at `line`; perhaps without members, where they are loaded lazily."""
        current = self._states.get(room)
        if current is not None and all(row.state_after <= line for row in current):
            return current
        return state_rows(self._txn, room, line)

    def _without_idle_members(
        self, work: RoomWork, delta: RoomDelta, state: Sequence[TimelineEvent], start_line: int
    ) -> list[TimelineEvent]:
        """Of the members only those whom the timeline needs and the client does not have.

        https://spec.matrix.org/v1.19/client-server-api/#lazy-loading-room-members
        """
        known = self._known_members[work.member.room]
        needed = {str(one.event.key.sender) for one in delta.timeline}
        if work.full_state:
            needed.add(self._reader.user_id)
        if not self._reader.state.include_redundant_members:
            needed -= known
        known |= needed
        others = [event for event in state if event.key.type != MEMBER]
        return others + members_at(self._txn, work.member.room, start_line, needed)


def _membership_may_have_changed(work: RoomWork, delta: RoomDelta) -> bool:
    if work.full_state or delta.limited:
        return True
    return any(one.event.key.type == MEMBER for one in delta.timeline)


def _is_named(delta: RoomDelta) -> bool:
    """Whether what is told of the room gives it a name or an alias."""
    events = [*delta.state, *(one.event for one in delta.timeline)]
    named = {event.type: event for event in events if event.type in _NAMES and event.key.state_key == ""}
    return any(event.content.get(_NAMES[type_]) for type_, event in named.items())
