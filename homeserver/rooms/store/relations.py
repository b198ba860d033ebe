"""Tables room_relation, room_relation_sender and room_thread: which events relate to which."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import EventID
from homeserver.protocol.relations import THREAD
from homeserver.storage.engine import Transaction

DEEPEST = 3
"""How many relations in a row are followed."""


class RelationRow(NamedTuple):
    """`child` is a short id, as are the child's `type` and `sender`; `position` is where it stands."""

    child: int
    room: int
    parent: EventID
    rel_type: str
    type: int
    sender: int
    position: int
    annotation: str | None


_COLUMNS = "r.child, r.room, r.parent, r.rel_type, r.type, r.sender, r.position, r.annotation"


def insert_relations(txn: Transaction, rows: Sequence[RelationRow]) -> None:
    txn.execute_many(
        """
        INSERT INTO room_relation (child, room, parent, rel_type, type, sender, position, annotation)
        VALUES (%(child)s, %(room)s, %(parent)s, %(rel_type)s, %(type)s, %(sender)s, %(position)s, %(annotation)s)
        """,
        [row._asdict() for row in rows],
    )
    _count(txn, rows, 1)
    latest: dict[tuple[int, str], int] = {}
    for row in rows:
        if row.rel_type == THREAD:
            key = (row.room, row.parent)
            latest[key] = max(row.position, latest.get(key, row.position))
    # History that is fetched later is older than what is known of the thread.
    txn.execute_many(
        """
        INSERT INTO room_thread (room, root, latest) VALUES (%(room)s, %(root)s, %(latest)s)
        ON CONFLICT (room, root) DO UPDATE SET latest = CASE
            WHEN room_thread.latest < excluded.latest THEN excluded.latest ELSE room_thread.latest END
        """,
        [{"room": room, "root": root, "latest": position} for (room, root), position in latest.items()],
    )


def delete_relations(txn: Transaction, rows: Sequence[RelationRow]) -> None:
    """Of children that are no more."""
    txn.execute("DELETE FROM room_relation WHERE child IN %(children)s", children=[row.child for row in rows])
    _count(txn, rows, -1)
    parents = list({row.parent for row in rows})
    txn.execute(
        "DELETE FROM room_relation_sender WHERE parent IN %(parents)s AND children <= 0", parents=parents
    )
    roots = list({row.parent for row in rows if row.rel_type == THREAD})
    txn.execute(
        "DELETE FROM room_thread WHERE root IN %(roots)s AND room IN %(rooms)s",
        roots=roots, rooms=list({row.room for row in rows}),
    )  # fmt: skip
    txn.execute(
        """
        INSERT INTO room_thread (room, root, latest)
        SELECT room, parent, max(position) FROM room_relation
        WHERE parent IN %(roots)s AND rel_type = %(thread)s
        GROUP BY room, parent
        ON CONFLICT (room, root) DO NOTHING
        """,
        roots=roots, thread=THREAD,
    )  # fmt: skip


def delete_relations_in(txn: Transaction, room: int) -> None:
    """All that relates to anything in a room."""
    of_room = "child IN (SELECT nid FROM room_event WHERE room = %(room)s)"
    txn.execute(
        f"""
        DELETE FROM room_relation_sender WHERE room = %(room)s
            AND parent IN (SELECT parent FROM room_relation WHERE {of_room})
        """,
        room=room,
    )
    txn.execute(f"DELETE FROM room_relation WHERE {of_room}", room=room)
    txn.execute("DELETE FROM room_thread WHERE room = %(room)s", room=room)


def _count(txn: Transaction, rows: Sequence[RelationRow], each: int) -> None:
    counts: dict[tuple[str, int, str, int], int] = {}
    for row in rows:
        key = (row.parent, row.room, row.rel_type, row.sender)
        counts[key] = counts.get(key, 0) + each
    txn.execute_many(
        """
        INSERT INTO room_relation_sender (parent, room, rel_type, sender, children)
        VALUES (%(parent)s, %(room)s, %(rel_type)s, %(sender)s, %(children)s)
        ON CONFLICT (parent, room, rel_type, sender) DO UPDATE
            SET children = room_relation_sender.children + excluded.children
        """,
        [
            {"parent": parent, "room": room, "rel_type": rel_type, "sender": sender, "children": children}
            for (parent, room, rel_type, sender), children in sorted(counts.items())
        ],
    )


def relations_of_redacted(txn: Transaction, event_ids: Collection[EventID]) -> list[RelationRow]:
    """The relations that those of the events have which are redacted."""
    rows = txn.rows(
        f"""
        SELECT {_COLUMNS} FROM room_event e JOIN room_relation r ON r.child = e.nid
        WHERE e.event_id IN %(event_ids)s AND e.redacted_by IS NOT NULL
        """,
        event_ids=list(event_ids),
    )
    return [RelationRow(*row) for row in rows]


def relations_of_children(txn: Transaction, children: Collection[int]) -> list[RelationRow]:
    rows = txn.rows(
        f"SELECT {_COLUMNS} FROM room_relation r WHERE r.child IN %(children)s", children=list(children)
    )
    return [RelationRow(*row) for row in rows]


class SenderCount(NamedTuple):
    """How many children a sender (short id) gave to an event."""

    parent: EventID
    room: int
    rel_type: str
    sender: int
    children: int


def sender_counts(
    txn: Transaction, parents: Collection[EventID], rel_types: Collection[str]
) -> list[SenderCount]:
    rows = txn.rows(
        """
        SELECT parent, room, rel_type, sender, children FROM room_relation_sender
        WHERE parent IN %(parents)s AND rel_type IN %(rel_types)s
        """,
        parents=list(parents), rel_types=list(rel_types),
    )  # fmt: skip
    return [SenderCount(*row) for row in rows]


def sender_counts_upto(
    txn: Transaction, parents: Collection[EventID], rel_types: Collection[str], upto: int
) -> list[SenderCount]:
    """The same of children up to a position, which are counted one by one."""
    rows = txn.rows(
        """
        SELECT parent, room, rel_type, sender, count(*) FROM room_relation
        WHERE parent IN %(parents)s AND rel_type IN %(rel_types)s AND position <= %(upto)s
        GROUP BY parent, room, rel_type, sender
        """,
        parents=list(parents), rel_types=list(rel_types), upto=upto,
    )  # fmt: skip
    return [SenderCount(*row) for row in rows]


def related_parents(
    txn: Transaction,
    room: int,
    parents: Collection[EventID],
    rel_types: Sequence[str] | None,
    senders: Sequence[str] | None,
) -> set[EventID]:
    """Those of the events that have a child of one of the types by one of the users; None: whichever."""
    of_types = "" if rel_types is None else "AND s.rel_type IN %(rel_types)s"
    by_senders = "" if senders is None else "AND u.user_id IN %(senders)s"
    rows = txn.rows(
        f"""
        SELECT DISTINCT s.parent FROM room_relation_sender s JOIN known_user u ON u.nid = s.sender
        WHERE s.parent IN %(parents)s AND s.room = %(room)s {of_types} {by_senders}
        """,
        parents=list(parents), room=room, rel_types=list(rel_types or ()), senders=list(senders or ()),
    )  # fmt: skip
    return {EventID(parent) for (parent,) in rows}


def latest_of_threads(
    txn: Transaction, roots: Collection[EventID], ignored: Collection[int], upto: int
) -> dict[EventID, int]:
    """The newest child (short id) of each thread up to a position that none of the `ignored` sent."""
    rows = txn.rows(
        """
        SELECT p.event_id, (
            SELECT r.child FROM room_relation r
            WHERE r.parent = p.event_id AND r.room = p.room AND r.rel_type = %(thread)s
              AND r.position <= %(upto)s AND NOT (r.sender IN %(ignored)s)
            ORDER BY r.position DESC LIMIT 1
        )
        FROM room_event p WHERE p.event_id IN %(roots)s
        """,
        roots=list(roots), ignored=list(ignored), upto=upto, thread=THREAD,
    )  # fmt: skip
    return {EventID(root): child for root, child in rows if child is not None}


def latest_edits(txn: Transaction, parents: Collection[EventID], upto: int) -> dict[EventID, int]:
    """The newest replacement (short id) of each event by its own sender and of its own type.

    https://spec.matrix.org/v1.19/client-server-api/#server-side-aggregation-of-mreplace-relationships
    """
    rows = txn.rows(
        """
        SELECT p.event_id, (
            SELECT r.child FROM room_relation r JOIN room_event e ON e.nid = r.child
            WHERE r.parent = p.event_id AND r.room = p.room AND r.rel_type = 'm.replace'
              AND r.sender = p.sender AND r.type = p.type AND r.position <= %(upto)s
            ORDER BY e.origin_server_ts DESC, e.event_id DESC LIMIT 1
        )
        FROM room_event p WHERE p.event_id IN %(parents)s
        """,
        parents=list(parents), upto=upto,
    )  # fmt: skip
    return {EventID(parent): child for parent, child in rows if child is not None}


def references_to(
    txn: Transaction, parents: Collection[EventID], ignored: Collection[int], upto: int
) -> dict[EventID, list[EventID]]:
    """The events that refer to each event in its room, oldest first."""
    rows = txn.rows(
        """
        SELECT r.parent, e.event_id FROM room_event p
        JOIN room_relation r ON r.parent = p.event_id AND r.room = p.room AND r.rel_type = 'm.reference'
        JOIN room_event e ON e.nid = r.child
        WHERE p.event_id IN %(parents)s AND r.position <= %(upto)s AND NOT (r.sender IN %(ignored)s)
        ORDER BY r.position
        """,
        parents=list(parents), ignored=list(ignored), upto=upto,
    )  # fmt: skip
    found: dict[EventID, list[EventID]] = {}
    for parent, child in rows:
        found.setdefault(EventID(parent), []).append(EventID(child))
    return found


class ChildrenWish(NamedTuple):
    """Which children of an event: after < position <= upto, of the types that are not None."""

    room: int
    parent: EventID
    rel_type: str | None
    event_type: str | None
    after: int
    upto: int
    backwards: bool
    limit: int
    recurse: bool


_CHILDREN = "SELECT r.child, r.rel_type, r.type, r.sender, r.position{depth} FROM room_relation r"
_DIRECT = _CHILDREN.format(depth="") + " WHERE r.parent = %(parent)s AND r.room = %(room)s"
_RECURSIVE = f"""
    {_CHILDREN.format(depth=", 1 AS depth")} WHERE r.parent = %(parent)s AND r.room = %(room)s
    UNION ALL
    SELECT r.child, r.rel_type, r.type, r.sender, r.position, d.depth + 1 FROM related d
    JOIN room_event e ON e.nid = d.child
    JOIN room_relation r ON r.parent = e.event_id AND r.room = %(room)s
    WHERE d.depth < %(deepest)s
"""


def children(txn: Transaction, wish: ChildrenWish, ignored: Collection[int]) -> list[int]:
    """The short ids of an event's children, in the order of their positions; those of `ignored` are left out."""
    of_rel_type = "" if wish.rel_type is None else "AND rel_type = %(rel_type)s"
    of_type = (
        ""
        if wish.event_type is None
        else "AND type = (SELECT nid FROM room_event_type WHERE type = %(event_type)s)"
    )
    found = f"WITH RECURSIVE related AS ({_RECURSIVE})" if wish.recurse else f"WITH related AS ({_DIRECT})"
    # Whoever names a cycle of events would be told of one twice.
    rows = txn.rows(
        f"""
        {found}
        SELECT DISTINCT child, position FROM related
        WHERE position > %(after)s AND position <= %(upto)s AND NOT (sender IN %(ignored)s) {of_rel_type} {of_type}
        ORDER BY position {"DESC" if wish.backwards else ""}
        LIMIT %(limit)s
        """,
        **wish._asdict(), ignored=list(ignored), deepest=DEEPEST,
    )  # fmt: skip
    return [child for child, _ in rows]


class ThreadRow(NamedTuple):
    """`root` is an event's short id, `latest` the position of the thread's newest event."""

    root: int
    latest: int


def threads(
    txn: Transaction, room: int, before: int, upto: int, limit: int, participant: int | None
) -> list[ThreadRow]:
    """The threads that moved before a position and began up to another, the latest first; of all, or of one user."""
    of_user = """
        AND (e.sender = %(participant)s OR EXISTS (
            SELECT 1 FROM room_relation_sender s WHERE s.parent = t.root AND s.room = t.room
              AND s.rel_type = %(thread)s AND s.sender = %(participant)s
        ))
    """
    # Of what relates to another event, no thread can begin.
    rows = txn.rows(
        f"""
        SELECT e.nid, t.latest FROM room_thread t
        JOIN room_event e ON e.event_id = t.root AND e.room = t.room
        LEFT JOIN room_relation own ON own.child = e.nid
        WHERE t.room = %(room)s AND t.latest < %(before)s AND e.position <= %(upto)s AND own.child IS NULL
        {"" if participant is None else of_user}
        ORDER BY t.latest DESC
        LIMIT %(limit)s
        """,
        room=room, before=before, upto=upto, limit=limit, participant=participant, thread=THREAD,
    )  # fmt: skip
    return [ThreadRow(*row) for row in rows]


def has_annotated(txn: Transaction, parent: EventID, sender: int, type_: str, key: str) -> bool:
    """Whether the user has annotated the event so before."""
    row = txn.row(
        """
        SELECT 1 FROM room_relation r JOIN room_event_type t ON t.nid = r.type
        WHERE r.parent = %(parent)s AND r.sender = %(sender)s AND r.annotation = %(key)s AND t.type = %(type)s
        LIMIT 1
        """,
        parent=parent, sender=sender, type=type_, key=key,
    )  # fmt: skip
    return row is not None


def has_relation(txn: Transaction, event_id: EventID) -> bool:
    """Whether the event relates to another one."""
    row = txn.row(
        """
        SELECT 1 FROM room_event e JOIN room_relation r ON r.child = e.nid WHERE e.event_id = %(event_id)s
        """,
        event_id=event_id,
    )
    return row is not None


def child_ids(
    txn: Transaction, room: int, parent: EventID, rel_types: Sequence[str] | None, limit: int
) -> list[EventID]:
    """The oldest children of an event, of the given types or of any."""
    of_types = "" if rel_types is None else "AND r.rel_type IN %(rel_types)s"
    rows = txn.rows(
        f"""
        SELECT e.event_id FROM room_relation r JOIN room_event e ON e.nid = r.child
        WHERE r.parent = %(parent)s AND r.room = %(room)s {of_types}
        ORDER BY r.position
        LIMIT %(limit)s
        """,
        parent=parent, room=room, rel_types=list(rel_types or ()), limit=limit,
    )  # fmt: skip
    return [EventID(event_id) for (event_id,) in rows]
