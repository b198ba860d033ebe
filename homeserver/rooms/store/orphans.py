"""Rows that refer to what does not exist, in all tables of rooms."""

from homeserver.storage.engine import Transaction


def orphans(txn: Transaction) -> list[tuple[str, int]]:
    """(what, how many) of such rows."""
    return [(what, _count(txn, query)) for what, query in _ORPHANS.items()]


def _count(txn: Transaction, query: str) -> int:
    row = txn.row(f"SELECT count(*) FROM {query}")
    assert row is not None, "a count has one row"
    return int(row[0])


_NO_ROOM = "WHERE NOT EXISTS (SELECT 1 FROM room r WHERE r.nid = x.room)"
_NO_EVENT = "WHERE NOT EXISTS (SELECT 1 FROM room_event e WHERE e.nid = x.{column})"
_ORPHANS = {
    "events of unknown rooms": f"room_event x {_NO_ROOM}",
    "bodies of unknown events": f"room_event_body x {_NO_EVENT.format(column='nid')}",
    "state spans of unknown rooms": f"room_state_span x {_NO_ROOM}",
    "state spans of unknown events": f"room_state_span x {_NO_EVENT.format(column='event')}",
    "members of unknown rooms": f"room_member x {_NO_ROOM}",
    "unknown users as members": """
        room_member m WHERE NOT EXISTS (SELECT 1 FROM known_user u WHERE u.nid = m.user_nid)
    """,
    "users of this server who are no members": """
        room_inhabitant i WHERE NOT EXISTS (
            SELECT 1 FROM room_member m
            WHERE m.room = i.room AND m.user_nid = i.user_nid AND m.membership = 'join'
        )
    """,
    "counts of members of unknown rooms": f"room_summary x {_NO_ROOM}",
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
    "auth edges from unknown events": f"room_auth_edge x {_NO_EVENT.format(column='citing')}",
    "auth edges to unknown events": f"room_auth_edge x {_NO_EVENT.format(column='cited')}",
    "states of unknown events": f"room_event_state x {_NO_EVENT.format(column='event')}",
    "refusals of unknown events": f"room_refused_event x {_NO_EVENT.format(column='event')}",
    "refused events in a timeline": """
        room_refused_event f JOIN room_event e ON e.nid = f.event WHERE e.position IS NOT NULL
    """,
    "missing events of unknown rooms": f"room_missing_event x {_NO_ROOM}",
    # The override of the state before an event has twice its number, that of the state after it one more.
    "overrides for unknown events": """
        room_override o WHERE NOT EXISTS (SELECT 1 FROM room_event e WHERE e.nid = o.nid / 2 AND e.room = o.room)
    """,
    "overrides on unknown ones, or of a wrong height": """
        room_override o LEFT JOIN room_override p ON p.nid = o.parent
        WHERE o.height <> coalesce(p.height, -1) + 1 OR (o.parent IS NOT NULL AND p.nid IS NULL)
    """,
    "states by unknown overrides": """
        (
            SELECT before_override AS override FROM room_event_state
            UNION ALL
            SELECT after_override FROM room_event_state
        ) x
        WHERE x.override IS NOT NULL AND NOT EXISTS (SELECT 1 FROM room_override o WHERE o.nid = x.override)
    """,
}
