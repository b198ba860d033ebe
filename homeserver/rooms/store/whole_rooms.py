"""Rooms read whole, to be compared with what is derived from them, and the derived rows written anew."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID, UserID
from homeserver.rooms.store.members import add_to_summaries
from homeserver.rooms.store.spans import OPEN
from homeserver.storage.engine import Row, Transaction


class StoredEvent(NamedTuple):
    """An event with all texts that its row refers to; None where there is no such text or no body.

    `target` is the short id of the user of a member event.
    """

    nid: int
    event_id: EventID
    position: int | None
    depth: int
    origin_server_ts: int
    type: str | None
    slot: int | None
    slot_type: str | None
    state_key: str | None
    sender: UserID | None
    target: int | None
    redacted_by: int | None
    client: bytes | None
    federation: bytes | None


_EVENT = """
    SELECT e.nid, e.event_id, e.position, e.depth, e.origin_server_ts, t.type, e.slot, s.type, s.state_key,
           u.user_id, m.nid, e.redacted_by, b.client, b.federation
    FROM room_event e
    LEFT JOIN room_event_type t ON t.nid = e.type
    LEFT JOIN room_slot s ON s.nid = e.slot
    LEFT JOIN known_user u ON u.nid = e.sender
    LEFT JOIN known_user m ON s.type = 'm.room.member' AND m.user_id = s.state_key
    LEFT JOIN room_event_body b ON b.nid = e.nid
"""


def room_nids(txn: Transaction) -> list[int]:
    return [nid for (nid,) in txn.rows("SELECT nid FROM room ORDER BY nid")]


def stored_events(txn: Transaction, room: int, after: int, limit: int) -> list[StoredEvent]:
    """The events of a room after a position, oldest first."""
    rows = txn.rows(
        _EVENT + " WHERE e.room = %(room)s AND e.position > %(after)s ORDER BY e.position LIMIT %(limit)s",
        room=room, after=after, limit=limit,
    )  # fmt: skip
    return [StoredEvent(*row) for row in rows]


def stored_event(txn: Transaction, nid: int) -> StoredEvent | None:
    row = txn.row(_EVENT + " WHERE e.nid = %(nid)s", nid=nid)
    return None if row is None else StoredEvent(*row)


def events_without_position(txn: Transaction, room: int) -> list[EventID]:
    rows = txn.rows("SELECT event_id FROM room_event WHERE room = %(room)s AND position IS NULL", room=room)
    return [EventID(event_id) for (event_id,) in rows]


# What the order of the timeline and the slots of its events say of each of them.
_LINE = """
    SELECT nid, event_id, slot,
        count(slot) OVER (ORDER BY position) - CASE WHEN slot IS NULL THEN 0 ELSE 1 END AS state_before,
        count(slot) OVER (ORDER BY position) AS state_after,
        CASE WHEN slot IS NOT NULL THEN lag(nid) OVER (PARTITION BY slot ORDER BY position) END AS replaces
    FROM room_event WHERE room = %(room)s AND position IS NOT NULL
"""
_SPANS = """
    SELECT slot, state_after AS from_line,
        lead(state_after, 1, %(open)s) OVER (PARTITION BY slot ORDER BY position) AS to_line, nid AS event
    FROM room_event WHERE room = %(room)s AND position IS NOT NULL AND slot IS NOT NULL
"""
_STORED_SPANS = "SELECT slot, from_line, to_line, event FROM room_state_span WHERE room = %(room)s"
_MISPLACED = """
    e.state_before <> x.state_before OR e.state_after <> x.state_after
    OR e.replaces IS DISTINCT FROM x.replaces
"""


def misplaced_events(txn: Transaction, room: int, limit: int) -> list[Row]:
    """(event ID, how many there are) of events whose numbers on the state line, or `replaces`, are wrong."""
    return txn.rows(
        f"""
        SELECT e.event_id, count(*) OVER () FROM ({_LINE}) x JOIN room_event e ON e.nid = x.nid
        WHERE {_MISPLACED} ORDER BY e.position LIMIT %(limit)s
        """,
        room=room, limit=limit,
    )  # fmt: skip


def missing_spans(txn: Transaction, room: int, limit: int) -> list[Row]:
    """(slot, from, to, event, how many there are) of spans that the events ask for."""
    return _spans_of_one_side(txn, _SPANS, _STORED_SPANS, room, limit)


def needless_spans(txn: Transaction, room: int, limit: int) -> list[Row]:
    """The same of spans that are stored and no event asks for."""
    return _spans_of_one_side(txn, _STORED_SPANS, _SPANS, room, limit)


def _spans_of_one_side(txn: Transaction, side: str, other: str, room: int, limit: int) -> list[Row]:
    return txn.rows(
        f"""
        SELECT slot, from_line, to_line, event, count(*) OVER ()
        FROM (SELECT * FROM ({side}) a EXCEPT SELECT * FROM ({other}) b) c
        ORDER BY from_line, slot LIMIT %(limit)s
        """,
        room=room, open=OPEN, limit=limit,
    )  # fmt: skip


def redaction_marks(txn: Transaction, room: int) -> dict[int, int]:
    """The redaction of each redacted event."""
    rows = txn.rows(
        "SELECT nid, redacted_by FROM room_event WHERE room = %(room)s AND redacted_by IS NOT NULL", room=room
    )
    return {nid: redacted_by for nid, redacted_by in rows}


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


def rewrite_line(txn: Transaction, room: int) -> None:
    """Numbers on the state line, what replaced what, and the spans, from the order of events and their slots."""
    txn.execute(
        f"""
        UPDATE room_event AS e SET state_before = x.state_before, state_after = x.state_after,
            replaces = x.replaces
        FROM ({_LINE}) x WHERE x.nid = e.nid AND ({_MISPLACED})
        """,
        room=room,
    )
    txn.execute("DELETE FROM room_state_span WHERE room = %(room)s", room=room)
    txn.execute(
        f"""
        INSERT INTO room_state_span (room, slot, from_line, to_line, event)
        SELECT %(room)s, slot, from_line, to_line, event FROM ({_SPANS}) x
        """,
        room=room, open=OPEN,
    )  # fmt: skip


def rewrite_redaction_marks(txn: Transaction, room: int, marks: Mapping[int, int]) -> None:
    """`marks` are the redactions by the events that they redact."""
    stored = redaction_marks(txn, room)
    changed = [nid for nid in stored.keys() | marks.keys() if stored.get(nid) != marks.get(nid)]
    txn.execute_many(
        "UPDATE room_event SET redacted_by = %(by)s WHERE nid = %(nid)s",
        [{"nid": nid, "by": marks.get(nid)} for nid in changed],
    )


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


def orphans(txn: Transaction) -> list[tuple[str, int]]:
    """(what, how many) of rows that refer to what does not exist."""
    return [(what, _count(txn, query)) for what, query in _ORPHANS.items()]


def _count(txn: Transaction, query: str) -> int:
    row = txn.row(f"SELECT count(*) FROM {query}")
    assert row is not None, "a count has one row"
    return int(row[0])


_ORPHANS = {
    "events of unknown rooms": """
        room_event e WHERE NOT EXISTS (SELECT 1 FROM room r WHERE r.nid = e.room)
    """,
    "bodies of unknown events": """
        room_event_body b WHERE NOT EXISTS (SELECT 1 FROM room_event e WHERE e.nid = b.nid)
    """,
    "state spans of unknown rooms": """
        room_state_span p WHERE NOT EXISTS (SELECT 1 FROM room r WHERE r.nid = p.room)
    """,
    "members of unknown rooms": """
        room_member m WHERE NOT EXISTS (SELECT 1 FROM room r WHERE r.nid = m.room)
    """,
    "unknown users as members": """
        room_member m WHERE NOT EXISTS (SELECT 1 FROM known_user u WHERE u.nid = m.user_nid)
    """,
    "counts of members of unknown rooms": """
        room_summary s WHERE NOT EXISTS (SELECT 1 FROM room r WHERE r.nid = s.room)
    """,
    "transaction IDs of unknown events": """
        room_transaction t
        WHERE NOT EXISTS (SELECT 1 FROM room_event e WHERE e.event_id = t.event_id AND e.room = t.room)
    """,
    "retained content of what is not redacted": """
        room_redacted_content c
        WHERE NOT EXISTS (SELECT 1 FROM room_event e WHERE e.nid = c.event AND e.redacted_by IS NOT NULL)
    """,
    "events beyond the journal's position": """
        room_event e WHERE e.nid > (SELECT position FROM stream_position)
    """,
}
