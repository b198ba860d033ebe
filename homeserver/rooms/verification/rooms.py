"""Verifying one room: its events one after the other, then what was derived from them."""

from collections.abc import Callable, Iterator, Sequence

from homeserver.protocol.event_auth import AuthRejected
from homeserver.protocol.events import Event
from homeserver.protocol.hashes import content_hash_matches
from homeserver.protocol.redaction import redact_event
from homeserver.protocol.signing import SignatureInvalid
from homeserver.rooms.store.expiry import expired_upto
from homeserver.rooms.store.heads import HeadRow, heads_by_nid
from homeserver.rooms.store.members import summary_counts
from homeserver.rooms.store.redacted_content import retained_in
from homeserver.rooms.store.whole_rooms import (
    StoredEvent,
    counts,
    events_without_position,
    misplaced_events,
    missing_spans,
    needless_spans,
    redaction_marks,
    stored_events,
    stored_members,
)
from homeserver.rooms.verification.authorisation import Undecided, check_authorised
from homeserver.rooms.verification.differences import LISTED, Difference, Findings
from homeserver.rooms.verification.replay import Known, Replay
from homeserver.rooms.verification.stored import (
    Identity,
    Unreadable,
    check_signatures,
    is_dropped,
    read_event,
    wrong_columns,
)
from homeserver.storage.engine import Row, Transaction

_PAGE = 200
_BEFORE_ALL = -(2**62)


def pages(txn: Transaction, room: int) -> Iterator[list[StoredEvent]]:
    """The events of a room, oldest first."""
    after = _BEFORE_ALL
    while page := stored_events(txn, room, after, _PAGE):
        yield page
        assert page[-1].position is not None, "events without a position are not in pages"
        after = page[-1].position


class RoomVerification:
    """Compares one room with what follows from its timeline, within one snapshot."""

    def __init__(
        self,
        txn: Transaction,
        room: int,
        identity: Identity,
        findings: Findings,
        progress: Callable[[], None],
    ) -> None:
        """`progress` is called now and then."""
        self._txn = txn
        self._room = room
        self._identity = identity
        self._findings = findings
        self._progress = progress
        self._expired_upto = expired_upto(txn, room)

    def run(self) -> None:
        head = heads_by_nid(self._txn, [self._room]).get(self._room)
        if head is None:
            # It ended after the rooms were listed.
            return
        replay = Replay(self._txn, head)
        retained = retained_in(self._txn, self._room)
        for page in pages(self._txn, self._room):
            for row in page:
                self._verify_event(row, head, replay, retained)
            self._findings.events += len(page)
            self._progress()
        for difference in self._derived(head, replay):
            self._findings.add(difference)
        self._findings.rooms += 1
        self._progress()

    def _verify_event(self, row: StoredEvent, head: HeadRow, replay: Replay, retained: set[int]) -> None:
        try:
            event = read_event(row, head.room_id, replay.version)
        except Unreadable as error:
            self._tell(row.event_id, "the stored event", str(error))
            replay.advance(Known(row, None))
            return
        for column in wrong_columns(event, row):
            self._tell(row.event_id, f"room_event.{column}")
        if row.slot_type == "m.room.member" and row.target is None:
            self._tell(row.event_id, "its user has no short id")
        self._verify_content(event, row, retained)
        self._verify_signatures(event)
        self._verify_place(event, replay)
        self._verify_authorisation(event, row, replay)
        replay.advance(Known(row, event))

    def _verify_content(self, event: Event, row: StoredEvent, retained: set[int]) -> None:
        emptied = is_dropped(event, row) or self._is_expired(event)
        if not emptied and not content_hash_matches(event):
            self._tell(event.event_id, "the content hash")
        if row.redacted_by is not None and row.nid not in retained and redact_event(event) != event:
            self._tell(event.event_id, "redacted content that no task would drop")

    def _is_expired(self, event: Event) -> bool:
        """Whether the room keeps the message no longer, so that nothing of it is left."""
        is_old = not event.is_state and event.origin_server_ts <= self._expired_upto
        return is_old and redact_event(event) == event

    def _verify_signatures(self, event: Event) -> None:
        try:
            unchecked = check_signatures(event, self._identity)
        except SignatureInvalid as error:
            self._tell(event.event_id, "a signature", str(error))
        else:
            self._findings.unchecked["signatures by keys that are not at hand"] += unchecked

    def _verify_place(self, event: Event, replay: Replay) -> None:
        if event.prev_events != replay.extremities:
            self._tell(event.event_id, "what it follows")
        if event.depth != replay.depth + 1:
            self._tell(event.event_id, "the depth", f"{event.depth} after {replay.depth}")

    def _verify_authorisation(self, event: Event, row: StoredEvent, replay: Replay) -> None:
        try:
            check_authorised(event, row, replay)
        except AuthRejected as rejection:
            self._tell(event.event_id, "the authorisation", str(rejection))
        except Undecided:
            self._findings.unchecked["events that rest on what is no longer stored or cannot be read"] += 1

    def _tell(self, where: str, what: str, detail: str = "") -> None:
        self._findings.add(Difference(where, what, detail))

    def _derived(self, head: HeadRow, replay: Replay) -> Iterator[Difference]:
        yield from self._about_events(head, replay)
        yield from self._about_spans(head)
        yield from self._about_members(head, replay)
        expected = (replay.line, replay.depth, replay.extremities)
        if (head.state_line, head.depth, head.extremities) != expected:
            stored = f"{head.state_line}, {head.depth}, {', '.join(head.extremities)}"
            yield Difference(head.room_id, "the head of the room", f"is {stored}")

    def _about_events(self, head: HeadRow, replay: Replay) -> Iterator[Difference]:
        for event_id in events_without_position(self._txn, self._room):
            yield Difference(event_id, "it has no position")
        for (event_id,), times in _with_rest(misplaced_events(self._txn, self._room, LISTED)):
            yield Difference(event_id, "room_event.state_before, state_after or replaces", times=times)
        marked = redaction_marks(self._txn, self._room)
        right = replay.redactions(marked)
        for nid in sorted(marked.keys() | right.keys()):
            if marked.get(nid) != right.get(nid):
                text = f"event {nid} by {marked.get(nid)} instead of {right.get(nid)}"
                yield Difference(head.room_id, "room_event.redacted_by", text)

    def _about_spans(self, head: HeadRow) -> Iterator[Difference]:
        for what, query in (("a missing span", missing_spans), ("a needless span", needless_spans)):
            for span, times in _with_rest(query(self._txn, self._room, LISTED)):
                text = "slot {} from {} to {}: event {}".format(*span)
                yield Difference(head.room_id, what, text, times)

    def _about_members(self, head: HeadRow, replay: Replay) -> Iterator[Difference]:
        stored, right = stored_members(self._txn, self._room), replay.members
        for user in sorted((stored.keys() | right.keys()) - replay.unsure):
            if stored.get(user) != right.get(user):
                text = f"user {user} is {stored.get(user)}"
                yield Difference(head.room_id, "room_member", text)
        summary = summary_counts(self._txn, [self._room]).get(self._room, (0, 0))
        if not replay.unsure and summary != counts(right.values()):
            yield Difference(head.room_id, "room_summary", "has {} joined, {} invited".format(*summary))


def _with_rest(rows: Sequence[Row]) -> Iterator[tuple[Row, int]]:
    """Each row without its last column, the number of all, of which the last row stands for the rest."""
    for number, row in enumerate(rows, start=1):
        yield row[:-1], 1 if number < len(rows) else row[-1] - len(rows) + 1
