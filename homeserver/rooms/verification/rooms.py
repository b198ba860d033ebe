"""Verifying one room: its events one after the other, then what was derived from them."""

from collections.abc import Callable, Iterator, Sequence

from homeserver.protocol.event_auth import AuthRejected
from homeserver.protocol.events import Event
from homeserver.protocol.hashes import content_hash_matches
from homeserver.protocol.identifiers import server_of
from homeserver.protocol.redaction import redact_event
from homeserver.protocol.signing import SignatureInvalid
from homeserver.rooms.graph.writing import NOWHERE
from homeserver.rooms.store.early_redactions import early_in
from homeserver.rooms.store.expiry import expired_upto
from homeserver.rooms.store.graph import missing_events
from homeserver.rooms.store.heads import HeadRow, heads_by_nid
from homeserver.rooms.store.members import summary_counts
from homeserver.rooms.store.redacted_content import retained_in
from homeserver.rooms.store.spans import Span
from homeserver.rooms.store.whole_rooms import (
    Place,
    StoredEvent,
    counts,
    is_relied_on,
    redaction_marks,
    stored_members,
)
from homeserver.rooms.store.whole_rooms_spans import spans_ending, spans_outside
from homeserver.rooms.verification.authorisation import Authorisation
from homeserver.rooms.verification.differences import Difference, Findings
from homeserver.rooms.verification.edges import Gaps, wrong_edges
from homeserver.rooms.verification.events import Known, RoomEvents, Undecided
from homeserver.rooms.verification.replay import Replay
from homeserver.rooms.verification.states import wrong_states
from homeserver.rooms.verification.stored import (
    Identity,
    Unreadable,
    check_signatures,
    has_lost_content,
    wrong_columns,
)
from homeserver.storage.engine import Transaction

_UNDECIDED = "events that rest on what is no longer stored or cannot be read"
_TOLD = "states around events that only other servers can know"


def verify_room(
    txn: Transaction, room: int, identity: Identity, findings: Findings, progress: Callable[[], None]
) -> None:
    """Compares a room with what follows from its events, within one snapshot; calls `progress` now and then."""
    head = heads_by_nid(txn, [room]).get(room)
    if head is not None:
        # Otherwise it ended after the rooms were listed.
        _RoomVerification(txn, head, identity, findings, progress).run()


class _RoomVerification:
    def __init__(
        self,
        txn: Transaction,
        head: HeadRow,
        identity: Identity,
        findings: Findings,
        progress: Callable[[], None],
    ) -> None:
        self._txn = txn
        self._head = head
        self._identity = identity
        self._findings = findings
        self._progress = progress
        self._events = RoomEvents(txn, head)
        self._replay = Replay(txn, head, self._events)
        self._authorisation = Authorisation(self._events, self._replay.around)
        self._gaps = Gaps(self._events, missing_events(txn, head.nid))
        self._retained = retained_in(txn, head.nid)
        self._expired_upto = expired_upto(txn, head.nid)

    def run(self) -> None:
        for page in self._events.timeline():
            self._replay.states.begin_anew()
            self._verify_timeline(page)
            self._end_page(page)
        for page in self._events.beside():
            self._replay.states.begin_anew()
            for known in page:
                self._verify_beside(known)
            self._end_page(page)
        for difference in self._derived():
            self._findings.add(difference)
        self._findings.rooms += 1
        self._progress()

    def _end_page(self, page: Sequence[Known]) -> None:
        edges = wrong_edges(self._txn, self._head.nid, page)
        for what, wrong in zip(("a missing auth edge", "a needless auth edge"), edges, strict=True):
            for cited, citing in wrong:
                self._tell(self._head.room_id, what, f"to event {cited} from {citing}")
        self._findings.events += len(page)
        self._progress()

    def _verify_timeline(self, page: Sequence[Known]) -> None:
        begin, ended = self._replay.line.number, set[Span]()
        for known in page:
            self._verify_event(known)
            self._verify_authorisation(known, self._authorisation.check)
            step = self._replay.advance(known)
            ended.update(step.ended)
            self._verify_place(known.row, step.place)
            if not step.is_decided:
                self._findings.unchecked[_UNDECIDED] += 1
        stored = spans_ending(self._txn, self._head.nid, begin, self._replay.line.number)
        self._compare_spans(stored, ended)

    def _verify_beside(self, known: Known) -> None:
        row = known.row
        self._verify_event(known)
        self._verify_place(row, Place(NOWHERE, NOWHERE, None))
        if row.is_rejected:
            self._verify_refusal(known)
        elif row.is_refused:
            self._verify_authorisation(known, self._authorisation.check)
        else:
            self._verify_authorisation(known, self._check_outlier)

    def _check_outlier(self, known: Known) -> None:
        """Those that wait for their place are not checked before they have it; till then nothing relies on them."""
        try:
            self._authorisation.check_cited(known)
        except AuthRejected:
            if is_relied_on(self._txn, self._head.nid, known.row.nid):
                raise

    def _verify_event(self, known: Known) -> None:
        """What can be said of it without its place on the line."""
        row, event = known
        self._gaps.follow(known)
        if event is None:
            self._verify_unreadable(row)
            return
        for column in wrong_columns(event, row):
            self._tell(row.event_id, f"room_event.{column}")
        if row.slot_type == "m.room.member" and row.target is None:
            self._tell(row.event_id, "its user has no short id")
        self._verify_content(event, row)
        self._verify_signatures(event)
        self._verify_states(known)

    def _verify_unreadable(self, row: StoredEvent) -> None:
        try:
            self._events.read(row)
        except Unreadable as error:
            self._tell(row.event_id, "the stored event", str(error))

    def _verify_content(self, event: Event, row: StoredEvent) -> None:
        # Other servers may tell of an event when it was redacted already, and then do not tell why.
        is_told = server_of(event.sender) != self._identity.server_name
        may_be_over = is_told or row.redacted_by is not None or self._is_expired(event)
        if not content_hash_matches(event) and not (may_be_over and has_lost_content(event)):
            self._tell(event.event_id, "the content hash")
        if row.redacted_by is not None and row.nid not in self._retained and redact_event(event) != event:
            self._tell(event.event_id, "redacted content that no task would drop")

    def _is_expired(self, event: Event) -> bool:
        """Whether the room keeps the message no longer."""
        return not event.is_state and event.origin_server_ts <= self._expired_upto

    def _verify_signatures(self, event: Event) -> None:
        try:
            unchecked = check_signatures(event, self._identity)
        except SignatureInvalid as error:
            self._tell(event.event_id, "a signature", str(error))
        else:
            self._findings.unchecked["signatures by keys that are not at hand"] += unchecked

    def _verify_states(self, known: Known) -> None:
        try:
            for what in wrong_states(known, self._replay.states, self._events, self._head.state_line):
                self._tell(known.row.event_id, what)
        except Undecided:
            self._findings.unchecked[_TOLD] += 1

    def _verify_authorisation(self, known: Known, check: Callable[[Known], None]) -> None:
        try:
            check(known)
        except AuthRejected as rejection:
            self._tell(known.row.event_id, "the authorisation", str(rejection))
        except Undecided:
            self._findings.unchecked[_UNDECIDED] += 1

    def _verify_refusal(self, known: Known) -> None:
        try:
            self._authorisation.check_refusal(known)
        except AuthRejected:
            return
        except Undecided:
            self._findings.unchecked[_UNDECIDED] += 1
        else:
            self._tell(known.row.event_id, "the refusal", "the rules allow it")

    def _verify_place(self, row: StoredEvent, place: Place) -> None:
        if Place(row.state_before, row.state_after, row.replaces) != place:
            self._tell(row.event_id, "room_event.state_before, state_after or replaces", f"not {place}")

    def _tell(self, where: str, what: str, detail: str = "") -> None:
        self._findings.add(Difference(where, what, detail))

    def _compare_spans(self, stored: set[Span], right: set[Span]) -> None:
        for what, spans in (("a missing span", right - stored), ("a needless span", stored - right)):
            for _, *span in sorted(spans):
                self._tell(self._head.room_id, what, "slot {} from {} to {}: event {}".format(*span))

    def _derived(self) -> Iterator[Difference]:
        line = self._replay.line
        self._compare_spans(spans_outside(self._txn, self._head.nid, line.number), set(line.open_spans()))
        yield from self._about_redactions()
        yield from self._about_members()
        yield from self._about_gaps()
        head = self._head
        if head != self._replay.head():
            stored = f"{head.state_line}, {head.depth}, {', '.join(head.extremities)}"
            yield Difference(head.room_id, "the head of the room", f"is {stored}")

    def _about_redactions(self) -> Iterator[Difference]:
        marked = redaction_marks(self._txn, self._head.nid)
        right = self._replay.redactions.marks(marked)
        for nid in sorted(marked.keys() | right.keys()):
            if marked.get(nid) != right.get(nid):
                text = f"event {nid} by {marked.get(nid)} instead of {right.get(nid)}"
                yield Difference(self._head.room_id, "room_event.redacted_by", text)

        redactions = self._replay.redactions
        early, waiting = early_in(self._txn, self._head.nid), redactions.early
        for target, nid in sorted((early ^ waiting) - redactions.perhaps_early):
            text = f"event {nid} redacts {target}, which is not here" if (target, nid) in waiting else target
            yield Difference(self._head.room_id, "room_early_redaction", text)

    def _about_members(self) -> Iterator[Difference]:
        room, room_id = self._head.nid, self._head.room_id
        members = self._replay.members
        stored, right = stored_members(self._txn, room), members.members
        for user in sorted((stored.keys() | right.keys()) - members.unsure):
            if stored.get(user) != right.get(user):
                yield Difference(room_id, "room_member", f"user {user} is {stored.get(user)}")
        summary = summary_counts(self._txn, [room]).get(room, (0, 0))
        if not members.unsure and summary != counts(right.values()):
            yield Difference(room_id, "room_summary", "has {} joined, {} invited".format(*summary))

    def _about_gaps(self) -> Iterator[Difference]:
        for event_id, position in self._gaps.unknown():
            text = f"{event_id} is not here, which the event at {position} follows"
            yield Difference(self._head.room_id, "room_missing_event", text)
        for event_id in self._gaps.needless():
            yield Difference(self._head.room_id, "room_missing_event", f"{event_id} is named by nothing")
