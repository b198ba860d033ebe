"""What is new in one room for one user: timeline, state and summary between two positions.

https://spec.matrix.org/v1.19/client-server-api/#syncing
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from homeserver.protocol.filters import RoomEventFilter
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject
from homeserver.rooms.aggregations import bundled_in_rooms
from homeserver.rooms.expiry import Expiry
from homeserver.rooms.ignored import is_ignored
from homeserver.rooms.reading import state_events, timeline_events
from homeserver.rooms.seen import Seen
from homeserver.rooms.state import MEMBER, members_at
from homeserver.rooms.store.completed import completed_between
from homeserver.rooms.store.events import TimelineRow, events_backwards, line_at, newest_events
from homeserver.rooms.store.graph import behind_gaps
from homeserver.rooms.store.members import MemberRow, heroes, summary_counts
from homeserver.rooms.store.spans import (
    changed_state_rows,
    state_rows,
    state_rows_of_type,
    states_after,
    states_before,
)
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.view import CURRENT
from homeserver.rooms.visibility import doubtful_histories, last_stay, visible_events
from homeserver.rooms.walk import passing
from homeserver.storage.engine import Transaction

_NAMES = {"m.room.name": "name", "m.room.canonical_alias": "alias"}
_MOST_SCANNED = 1000
"""Events that are looked at for a page, where a filter passes few of them."""
_LONG_PAGE = 200


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a sync is read. With `state_after`, state is told as it is after the timeline (MSC4222).

    Messages of `ignored` users are left out.
    """

    user_id: UserID
    user_nid: int
    device_nid: int | None
    timeline: RoomEventFilter
    state: RoomEventFilter
    timeline_limit: int
    state_after: bool
    ignored: frozenset[str] = frozenset()
    expiry: Expiry | None = None


@dataclass(frozen=True, slots=True)
class RoomWork:
    """A room of which something between two positions is wanted; `after` is 0 for a room new to the client.

    With `full_state` all state is told, not only what changed. With `gap` the client lacks something before it
    even if all of it is told, so that its timeline is limited. To one that is `perhaps_completed`, members may have
    come behind between the positions.
    """

    member: MemberRow
    after: int
    upto: int
    full_state: bool
    gap: bool = False
    perhaps_completed: bool = False


def left_work(txn: Transaction, user_id: UserID, member: MemberRow, after: int) -> RoomWork:
    """A room that the user left after a position: up to the event by which they did.

    If they were not joined until then, having been invited or having left before, this event alone is for them.
    """
    stay = last_stay(txn, member.room, user_id)
    if stay is None or stay.ended < member.position:
        # An invitation may have been told in the place of how that stay ended.
        gap = stay is not None
        return RoomWork(member, member.position - 1, member.position, full_state=False, gap=gap)
    is_new = stay.began > after
    return RoomWork(
        member, 0 if is_new else after, member.position, full_state=is_new, gap=is_new and after > 0
    )


@dataclass(slots=True)
class RoomDelta:
    """What is told of one room; `prev_batch` is the position right before the first event of the timeline."""

    member: MemberRow
    timeline: Sequence[Seen]
    limited: bool
    prev_batch: int
    state: Sequence[TimelineEvent] = ()
    summary: JsonObject = field(default_factory=dict)


@dataclass(slots=True)
class _Walk:
    """A stretch of the timeline, newest first, as far back as a sync goes: what is told and what the filter drops."""

    told: list[Seen] = field(default_factory=list)
    dropped: list[Seen] = field(default_factory=list)
    limited: bool = False

    @property
    def hides_state(self) -> bool:
        """Whether state may have changed otherwise than by the state events that are told."""
        if any(one.event.is_state for one in self.dropped):
            return True
        # Where branches of the room meet, any event may bring other state with it.
        return any(one.event.on_fork for one in (*self.told, *self.dropped))

    @property
    def has_members(self) -> bool:
        return any(one.event.key.type == MEMBER for one in (*self.told, *self.dropped))


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
        known_members: Mapping[int, dict[str, int]],
    ) -> None:
        """`known_members` are, by room, users with the position of the sync by which the client was last sent
        their member events; added to when more are sent."""
        self._txn = txn
        self._reader = reader
        self._known_members = known_members
        expiry = reader.expiry
        self._oldest = {} if expiry is None else expiry.oldest_of(txn, [work.member.room for work in works])
        self._counts = summary_counts(txn, [work.member.room for work in works])
        self._behind_gaps = behind_gaps(txn, [work.member.room for work in works])
        self._completed = _completed(txn, works)
        new = [work for work in works if work.full_state and work.after == 0 and _is_joined(work)]
        rooms, upto = [work.member.room for work in new], max((work.upto for work in new), default=0)
        self._pages: dict[int, list[TimelineEvent]] = {room: [] for room in rooms}
        rows = newest_events(txn, rooms, upto, reader.timeline_limit + 1)
        newest = timeline_events(txn, rows, reader)
        for event in newest:
            self._pages[event.room].append(event)
        self._newest = {room: events[0].nid for room, events in self._pages.items() if events}
        self._histories = doubtful_histories(txn, reader.user_id, [work.member for work in new], newest)

    def deltas(self, works: Sequence[RoomWork]) -> list[RoomDelta]:
        """What is new in each room; `works` are those that this was made for."""
        walks = [self._walk(work) for work in works]
        deltas = [self._delta(work, walk) for work, walk in zip(works, walks, strict=True)]
        states = self._states_of_new(deltas)
        for work, walk, delta in zip(works, walks, deltas, strict=True):
            delta.state = self._state(work, walk, delta, states.get(work.member.room))
        # Clients name a room after its heroes only where it has no name of its own.
        need_heroes = [delta for delta in deltas if delta.summary and not _is_named(delta)]
        found = heroes(self._txn, [delta.member.room for delta in need_heroes], self._reader.user_nid)
        for delta in need_heroes:
            delta.summary["m.heroes"] = found.get(delta.member.room, [])
        for work, delta in zip(works, deltas, strict=True):
            delta.state = self._filtered_state(work, delta)
        self._bundle(works, deltas)
        return deltas

    def _delta(self, work: RoomWork, walk: _Walk) -> RoomDelta:
        timeline = walk.told[::-1]
        prev_batch = timeline[0].event.position - 1 if timeline else work.upto
        delta = RoomDelta(work.member, timeline, walk.limited or work.gap, prev_batch)
        has_news = delta.limited or walk.has_members or work.member.room in self._completed
        if _is_joined(work) and (work.full_state or has_news):
            joined, invited = self._counts.get(work.member.room, (0, 0))
            delta.summary = {"m.joined_member_count": joined, "m.invited_member_count": invited}
        return delta

    def _states_of_new(self, deltas: Sequence[RoomDelta]) -> dict[int, list[TimelineEvent]]:
        """All state that is told of the rooms that are new to the client; without members, where those are loaded
        lazily."""
        before, after = [], []
        for delta in deltas:
            newest = self._newest.get(delta.member.room)
            if newest is not None:
                if delta.timeline and not self._reader.state_after:
                    before.append(delta.timeline[0].event.nid)
                else:
                    after.append(newest)
        except_type = MEMBER if self._reader.state.lazy_load_members else None
        rows = states_before(self._txn, before, except_type) + states_after(self._txn, after, except_type)
        states: dict[int, list[TimelineEvent]] = {room: [] for room in self._newest}
        for event in state_events(self._txn, rows):
            states[event.room].append(event)
        return states

    def _bundle(self, works: Sequence[RoomWork], deltas: Sequence[RoomDelta]) -> None:
        """Adds what is known of children, where clients were not told of them all."""
        ends: dict[int, list[RoomDelta]] = {}
        for work, delta in zip(works, deltas, strict=True):
            if delta.limited:
                ends.setdefault(CURRENT if _is_joined(work) else work.upto, []).append(delta)
        for upto, limited in ends.items():
            members = {delta.member.room: delta.member for delta in limited}
            page = [one for delta in limited for one in delta.timeline]
            told = iter(bundled_in_rooms(self._txn, self._reader, members, page, upto))
            for delta in limited:
                delta.timeline = [next(told) for _ in delta.timeline]

    def _walk(self, work: RoomWork) -> _Walk:
        """Back from the newest event until those that pass the filter are as many as are wanted.

        It ends at what the user may not see, so that the state at its start is followed by all later state; and at
        what follows events that are not here, so that the client asks for those.
        """
        reader, walk = self._reader, _Walk()
        for count, (one, passes) in enumerate(self._backwards(work)):
            if one is None or count == _MOST_SCANNED or (passes and len(walk.told) == reader.timeline_limit):
                walk.limited = True
                break
            (walk.told if passes else walk.dropped).append(one)
            if (one.event.room, one.event.position) in self._behind_gaps:
                walk.limited = True
                break
        return walk

    def _backwards(self, work: RoomWork) -> Iterator[tuple[Seen | None, bool]]:
        """The events, newest first, and whether the filter passes them; None for one that the user may not see."""
        upto, limit = work.upto, self._reader.timeline_limit + 1
        room = work.member.room
        oldest = self._oldest.get(room, 0)
        more = True
        while more:
            events = self._pages.pop(room, None)
            histories = None if events is None else self._histories
            if events is None:
                rows = events_backwards(self._txn, room, upto, work.after, limit)
                events = timeline_events(self._txn, rows, self._reader)
            seen = visible_events(self._txn, room, self._reader.user_id, work.member, events, histories)
            heard = [one for one in seen if not is_ignored(self._reader.ignored, one.event)]
            passed = passing(self._txn, room, work.member.room_id, self._reader.timeline, heard)
            passes = {one.event.position for one in passed}
            kept = [one for one in seen if one.event.is_state or one.event.origin_server_ts >= oldest]
            by_position = {one.event.position: one for one in kept}
            yield from ((by_position.get(event.position), event.position in passes) for event in events)
            more = len(events) >= limit
            # Where the filter passes few, the next page is a long one.
            upto, limit = (events[-1].position - 1 if events else upto), _LONG_PAGE

    def _state(
        self, work: RoomWork, walk: _Walk, delta: RoomDelta, known: list[TimelineEvent] | None
    ) -> list[TimelineEvent]:
        """State where the timeline begins (or ends): all of it, or what changed since the last sync.

        What the filter drops from the timeline, or what changed without an event of its own there, is told as state,
        or the client would never know; so are members that came behind. `known` is all of the state there, if that
        was read.
        """
        if known is not None and not walk.hides_state:
            return known
        room = work.member.room
        line = self._line(work, delta)
        rows: Sequence[TimelineRow] = ()
        if work.full_state:
            rows = state_rows(self._txn, room, line) if known is None else ()
        elif delta.limited or walk.hides_state or self._reader.state_after:
            rows = changed_state_rows(self._txn, room, line_at(self._txn, room, work.after), line)
        if room in self._completed and not self._reader.state.lazy_load_members:
            rows = [*state_rows_of_type(self._txn, room, line, MEMBER), *rows]
        if walk.hides_state:
            told = {one.event.nid for one in delta.timeline}
            later = changed_state_rows(self._txn, room, line, line_at(self._txn, room, work.upto))
            rows = [*rows, *(row for row in later if row.nid not in told)]
        events = [*(known or ()), *state_events(self._txn, rows)]
        return list({(event.type, event.key.state_key): event for event in events}.values())

    def _line(self, work: RoomWork, delta: RoomDelta) -> int:
        """The number on the state line of which the state is told."""
        if delta.timeline and not self._reader.state_after:
            return delta.timeline[0].event.state_before
        return line_at(self._txn, work.member.room, work.upto)

    def _filtered_state(self, work: RoomWork, delta: RoomDelta) -> Sequence[TimelineEvent]:
        wanted = self._reader.state
        if not wanted.includes(work.member.room_id):
            return []
        state = self._without_idle_members(work, delta) if wanted.lazy_load_members else delta.state
        return [event for event in state if wanted.matches(event)]

    def _without_idle_members(self, work: RoomWork, delta: RoomDelta) -> list[TimelineEvent]:
        """Of the members only those whom the client needs to show the room and does not have.

        Those whose membership changed in a gap are told all the same.
        https://spec.matrix.org/v1.19/client-server-api/#lazy-loading-room-members
        """
        known = self._known_members[work.member.room]
        needed = {one.event.sender for one in delta.timeline} | set(delta.summary.get("m.heroes", ()))
        if work.full_state:
            needed |= {self._reader.user_id, *self._doubtful_members(work, delta)}
        elif not self._reader.state.include_redundant_members:
            needed -= {user_id for user_id, position in known.items() if position <= work.after}
        told = [event for event in delta.state if event.type != MEMBER or not work.full_state]
        missing = needed - {event.key.state_key for event in told if event.type == MEMBER}
        if missing:
            told += members_at(self._txn, work.member.room, self._line(work, delta), missing)
        members = [event for event in (*told, *(one.event for one in delta.timeline)) if event.type == MEMBER]
        known.update((event.key.state_key or "", work.upto) for event in members)
        return told

    def _doubtful_members(self, work: RoomWork, delta: RoomDelta) -> Iterable[str]:
        """Where state is told anew, those whom the client may have as they were before."""
        if work.gap:
            return self._known_members[work.member.room]
        if work.after == 0:
            return ()
        room = work.member.room
        line = line_at(self._txn, room, work.after)
        changed = changed_state_rows(self._txn, room, line, self._line(work, delta))
        return [
            event.key.state_key or "" for event in state_events(self._txn, changed) if event.type == MEMBER
        ]


def _completed(txn: Transaction, works: Sequence[RoomWork]) -> set[int]:
    """The rooms to which members came behind, where not all state is told anyway."""
    perhaps = [work for work in works if work.perhaps_completed and not work.full_state]
    if not perhaps:
        return set()
    # All that a client was shown before are read between the same two positions.
    after, upto = perhaps[0].after, perhaps[0].upto
    return completed_between(txn, [work.member.room for work in perhaps], after, upto)


def _is_joined(work: RoomWork) -> bool:
    return work.member.membership == "join"


def _is_named(delta: RoomDelta) -> bool:
    """Whether what is told of the room gives it a name or an alias."""
    events = [*delta.state, *(one.event for one in delta.timeline)]
    named = {event.type: event for event in events if event.type in _NAMES and event.key.state_key == ""}
    return any(event.content.get(_NAMES[type_]) for type_, event in named.items())
