"""What is new in one room for one user: timeline, state and summary between two positions.

https://spec.matrix.org/v1.19/client-server-api/#syncing
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from homeserver.protocol.filters import RoomEventFilter
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject
from homeserver.rooms.reading import state_events, timeline_events
from homeserver.rooms.state import members_at, state_at
from homeserver.rooms.store.events import events_backwards, line_at
from homeserver.rooms.store.members import MemberRow, heroes, summary_counts
from homeserver.rooms.store.spans import changed_state_rows
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
    member: MemberRow
    timeline: Sequence[Seen]
    limited: bool
    prev_batch: int
    state: Sequence[TimelineEvent] = ()
    summary: JsonObject = field(default_factory=dict)


def read_room(txn: Transaction, reader: Reader, work: RoomWork, known_members: set[str]) -> RoomDelta:
    """`known_members` are users whose member events the client has, where members are loaded lazily."""
    delta = _timeline(txn, reader, work)
    start_line = _line_at_start(txn, work, delta)
    delta.state = _state(txn, reader, work, delta, start_line, known_members)
    if _membership_may_have_changed(work, delta):
        delta.summary = _summary(txn, reader, work, delta)
    return delta


def _timeline(txn: Transaction, reader: Reader, work: RoomWork) -> RoomDelta:
    """The newest events that pass the filter, at most the limit, oldest first."""
    room, limit = work.member.room, reader.timeline_limit
    passed: list[Seen] = []
    upto, scanned, more = work.upto, 0, True
    while more and len(passed) <= limit and scanned < _MOST_SCANNED:
        rows = events_backwards(txn, room, upto, work.after, limit + 1)
        more = len(rows) == limit + 1
        scanned += len(rows)
        if rows:
            upto = rows[-1].position - 1
        events = timeline_events(txn, rows, reader.device_nid)
        seen = visible_events(txn, room, reader.user_id, work.member, events)
        passed.extend(one for one in seen if reader.timeline.matches(one.event))
    limited = more or len(passed) > limit
    page = passed[:limit][::-1]
    prev_batch = page[0].event.position - 1 if page else work.upto
    return RoomDelta(work.member, page, limited, prev_batch)


def _line_at_start(txn: Transaction, work: RoomWork, delta: RoomDelta) -> int:
    """The number on the state line where the timeline that is sent begins."""
    if delta.timeline:
        return delta.timeline[0].event.state_before
    return line_at(txn, work.member.room, work.upto)


def _state(
    txn: Transaction,
    reader: Reader,
    work: RoomWork,
    delta: RoomDelta,
    start_line: int,
    known_members: set[str],
) -> list[TimelineEvent]:
    """State at the start of the timeline: all of it, or what changed since the client's last sync."""
    room = work.member.room
    if work.full_state:
        state = state_at(txn, room, start_line)
    elif delta.limited:
        state = state_events(txn, changed_state_rows(txn, room, line_at(txn, room, work.after), start_line))
    else:
        state = []
    if reader.state.lazy_load_members:
        state = _without_idle_members(txn, reader, work, delta, state, start_line, known_members)
    return [event for event in state if reader.state.matches(event)]


def _without_idle_members(
    txn: Transaction,
    reader: Reader,
    work: RoomWork,
    delta: RoomDelta,
    state: list[TimelineEvent],
    start_line: int,
    known_members: set[str],
) -> list[TimelineEvent]:
    """Of the members only those whom the timeline needs and the client does not have.

    https://spec.matrix.org/v1.19/client-server-api/#lazy-loading-room-members
    """
    needed = {str(one.event.key.sender) for one in delta.timeline}
    if work.full_state:
        needed.add(reader.user_id)
    if not reader.state.include_redundant_members:
        needed -= known_members
    kept = [event for event in state if event.key.type != "m.room.member" or event.key.state_key in needed]
    missing = needed - {event.key.state_key for event in kept if event.key.type == "m.room.member"}
    if missing and not work.full_state:
        kept.extend(members_at(txn, work.member.room, start_line, missing))
    known_members |= needed
    return kept


def _membership_may_have_changed(work: RoomWork, delta: RoomDelta) -> bool:
    if work.full_state or delta.limited:
        return True
    return any(one.event.key.type == "m.room.member" for one in delta.timeline)


def _summary(txn: Transaction, reader: Reader, work: RoomWork, delta: RoomDelta) -> JsonObject:
    room = work.member.room
    joined, invited = summary_counts(txn, [room]).get(room, (0, 0))
    summary: JsonObject = {"m.joined_member_count": joined, "m.invited_member_count": invited}
    # Clients name a room after its heroes only where it has no name of its own.
    if not (work.full_state and _is_named(delta)):
        summary["m.heroes"] = heroes(txn, room, reader.user_nid)
    return summary


def _is_named(delta: RoomDelta) -> bool:
    """Whether a room of which all state is told has a name or an alias."""
    events = [*delta.state, *(one.event for one in delta.timeline)]
    named = {event.type: event for event in events if event.type in _NAMES and event.key.state_key == ""}
    return any(event.content.get(_NAMES[type_]) for type_, event in named.items())
