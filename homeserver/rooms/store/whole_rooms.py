"""Rooms read whole, to be compared with what is derived from them, and the derived rows written anew."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID, UserID
from homeserver.rooms.store.graph import EventStates
from homeserver.rooms.store.members import add_to_summaries
from homeserver.rooms.store.overrides import StateRef
from homeserver.storage.engine import Transaction


class StoredEvent(NamedTuple):
    """An event with all texts that its row refers to; None where there is no such text or no body.

    `target` is the short id of the user of a member event. `soft` and `refused_at` are its row of
    room_refused_event, if it has one, the last four that of room_event_state.
    """

    nid: int
    event_id: EventID
    room: int
    position: int | None
    is_history: int
    depth: int
    origin_server_ts: int
    type_nid: int
    type: str | None
    slot: int | None
    slot_type: str | None
    state_key: str | None
    sender_nid: int
    sender: UserID | None
    target: int | None
    redacted_by: int | None
    state_before: int
    state_after: int
    replaces: int | None
    on_fork: int
    client: bytes | None
    federation: bytes | None
    soft: int | None
    refused_at: int | None
    before_line: int | None
    before_override: int | None
    after_line: int | None
    after_override: int | None

    @property
    def is_refused(self) -> bool:
        return self.soft is not None

    @property
    def is_rejected(self) -> bool:
        return self.soft == 0

    @property
    def is_linear(self) -> bool:
        """Whether the states around it are those of the room's line at its place."""
        return self.position is not None and not self.on_fork

    @property
    def own_states(self) -> EventStates | None:
        if self.before_line is None or self.after_line is None:
            return None
        return EventStates(
            StateRef(self.before_line, self.before_override), StateRef(self.after_line, self.after_override)
        )


_EVENT = """
    SELECT e.nid, e.event_id, e.room, e.position, e.is_history, e.depth, e.origin_server_ts, e.type, t.type,
           e.slot, s.type, s.state_key, e.sender, u.user_id, m.nid, e.redacted_by,
           e.state_before, e.state_after, e.replaces, e.on_fork, b.client, b.federation, f.soft, f.position,
           x.before_line, x.before_override, x.after_line, x.after_override
    FROM room_event e
    LEFT JOIN room_event_type t ON t.nid = e.type
    LEFT JOIN room_slot s ON s.nid = e.slot
    LEFT JOIN known_user u ON u.nid = e.sender
    LEFT JOIN known_user m ON s.type = 'm.room.member' AND m.user_id = s.state_key
    LEFT JOIN room_event_body b ON b.nid = e.nid
    LEFT JOIN room_refused_event f ON f.event = e.nid
    LEFT JOIN room_event_state x ON x.event = e.nid
"""


def room_nids(txn: Transaction) -> list[int]:
    return [nid for (nid,) in txn.rows("SELECT nid FROM room ORDER BY nid")]


def timeline_after(txn: Transaction, room: int, after: int, limit: int) -> list[StoredEvent]:
    """The events of a room's timeline after a position, oldest first."""
    rows = txn.rows(
        _EVENT + " WHERE e.room = %(room)s AND e.position > %(after)s ORDER BY e.position LIMIT %(limit)s",
        room=room, after=after, limit=limit,
    )  # fmt: skip
    return [StoredEvent(*row) for row in rows]


def nids_beside_timeline(txn: Transaction, room: int) -> list[int]:
    """The short ids of a room's events without a position, in their order."""
    rows = txn.rows(
        "SELECT nid FROM room_event WHERE room = %(room)s AND position IS NULL ORDER BY nid", room=room
    )
    return [nid for (nid,) in rows]


def stored_events(txn: Transaction, nids: Collection[int]) -> list[StoredEvent]:
    """In the order of their short ids."""
    rows = txn.rows(_EVENT + " WHERE e.nid IN %(nids)s ORDER BY e.nid", nids=list(nids))
    return [StoredEvent(*row) for row in rows]


def is_relied_on(txn: Transaction, room: int, nid: int) -> bool:
    """Whether an event is or was part of the room's state, or authorises what is in its timeline."""
    row = txn.row(
        """
        SELECT 1 FROM room_event x WHERE x.nid = %(nid)s AND (
            EXISTS (SELECT 1 FROM room_state_span p WHERE p.room = %(room)s AND p.slot = x.slot AND p.event = x.nid)
            OR EXISTS (
                SELECT 1 FROM room_auth_edge g JOIN room_event e ON e.nid = g.citing
                WHERE g.cited = x.nid AND e.position IS NOT NULL
            )
        )
        """,
        room=room, nid=nid,
    )  # fmt: skip
    return row is not None


def redaction_marks(txn: Transaction, room: int) -> dict[int, int]:
    """The redaction of each redacted event."""
    rows = txn.rows(
        "SELECT nid, redacted_by FROM room_event WHERE room = %(room)s AND redacted_by IS NOT NULL", room=room
    )
    return {nid: redacted_by for nid, redacted_by in rows}


def rewrite_redaction_marks(txn: Transaction, room: int, marks: Mapping[int, int]) -> None:
    """`marks` are the redactions by the events that they redact."""
    stored = redaction_marks(txn, room)
    changed = [nid for nid in stored.keys() | marks.keys() if stored.get(nid) != marks.get(nid)]
    txn.execute_many(
        "UPDATE room_event SET redacted_by = %(by)s WHERE nid = %(nid)s",
        [{"nid": nid, "by": marks.get(nid)} for nid in changed],
    )


class Place(NamedTuple):
    """Where an event of the timeline stands on the room's line, and what stood in its slot before it."""

    state_before: int
    state_after: int
    replaces: int | None


def rewrite_place(txn: Transaction, event: int, place: Place) -> None:
    txn.execute(
        """
        UPDATE room_event SET state_before = %(state_before)s, state_after = %(state_after)s, replaces = %(replaces)s
        WHERE nid = %(event)s
        """,
        event=event,
        **place._asdict(),
    )


def rewrite_auth_edges(
    txn: Transaction, missing: Sequence[tuple[int, int]], needless: Sequence[tuple[int, int]]
) -> None:
    """Each is (cited event, citing event)."""
    for statement, edges in (
        ("INSERT INTO room_auth_edge (cited, citing) VALUES (%(cited)s, %(citing)s)", missing),
        ("DELETE FROM room_auth_edge WHERE cited = %(cited)s AND citing = %(citing)s", needless),
    ):
        txn.execute_many(statement, [{"cited": cited, "citing": citing} for cited, citing in edges])


class Membership(NamedTuple):
    membership: str
    event: int
    position: int
    since: int


def stored_members(txn: Transaction, room: int) -> dict[int, Membership]:
    """By the short ids of users."""
    rows = txn.rows(
        "SELECT user_nid, membership, event, position, since FROM room_member WHERE room = %(room)s",
        room=room,
    )
    return {user_nid: Membership(*rest) for user_nid, *rest in rows}


def rewrite_members(txn: Transaction, room: int, members: Mapping[int, Membership]) -> None:
    """Members and their counts. What users forgot stays forgotten where their membership was right."""
    stored = stored_members(txn, room)
    changed = [nid for nid in stored.keys() | members.keys() if stored.get(nid) != members.get(nid)]
    txn.execute(
        "DELETE FROM room_member WHERE room = %(room)s AND user_nid IN %(changed)s",
        room=room,
        changed=changed,
    )
    txn.execute_many(
        """
        INSERT INTO room_member (room, user_nid, membership, event, position, since)
        VALUES (%(room)s, %(user_nid)s, %(membership)s, %(event)s, %(position)s, %(since)s)
        """,
        [
            {"room": room, "user_nid": nid, **members[nid]._asdict()}
            for nid in sorted(changed)
            if nid in members
        ],
    )
    txn.execute("DELETE FROM room_summary WHERE room = %(room)s", room=room)
    joined, invited = counts(members.values())
    add_to_summaries(txn, {room: (joined, invited)})


def counts(members: Iterable[Membership]) -> tuple[int, int]:
    """How many are joined, and how many invited."""
    memberships = Counter(member.membership for member in members)
    return memberships["join"], memberships["invite"]
