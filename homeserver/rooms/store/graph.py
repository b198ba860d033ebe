"""Tables room_auth_edge, room_event_state, room_refused_event and room_missing_event: the graph that events make."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from homeserver.protocol.event import Slot
from homeserver.protocol.identifiers import EventID
from homeserver.rooms.store.overrides import StateRef
from homeserver.storage.engine import Transaction

MOST_MISSING = 100
"""Missing events that are remembered of one room."""


class EventStates(NamedTuple):
    """The state before and after an event."""

    before: StateRef
    after: StateRef


class GraphEvent(NamedTuple):
    """An event as a vertex. `position` is None beside the timeline, `states` where they are not known.

    `refused_softly` is None for an event that passed all checks; of another, `refused_at` is up to where the room's
    timeline was when it was refused. `is_history` is one that came after newer ones.
    """

    nid: int
    room: int
    position: int | None
    depth: int
    refused_softly: bool | None
    states: EventStates | None
    is_history: bool = False
    refused_at: int | None = None

    @property
    def is_rejected(self) -> bool:
        return self.refused_softly is False


def graph_events(txn: Transaction, event_ids: Collection[EventID]) -> dict[EventID, GraphEvent]:
    """Those of the events that are here."""
    rows = txn.rows(
        """
        SELECT e.event_id, e.nid, e.room, e.position, e.depth, e.is_history, f.soft, f.position,
               e.state_before, e.state_after, x.before_line, x.before_override, x.after_line, x.after_override
        FROM room_event e
        LEFT JOIN room_refused_event f ON f.event = e.nid
        LEFT JOIN room_event_state x ON x.event = e.nid
        WHERE e.event_id IN %(ids)s
        """,
        ids=list(event_ids),
    )
    found = {}
    for event_id, nid, room, position, depth, is_history, soft, refused_at, before, after, *own in rows:
        states = None
        if own[0] is not None:
            states = EventStates(StateRef(own[0], own[1]), StateRef(own[2], own[3]))
        elif position is not None:
            states = EventStates(StateRef(before), StateRef(after))
        refused_softly = None if soft is None else bool(soft)
        found[EventID(event_id)] = GraphEvent(
            nid, room, position, depth, refused_softly, states, bool(is_history), refused_at
        )
    return found


def insert_event_states(txn: Transaction, states: Mapping[int, EventStates]) -> None:
    """By the events' short ids."""
    txn.execute_many(
        """
        INSERT INTO room_event_state (event, before_line, before_override, after_line, after_override)
        VALUES (%(event)s, %(before_line)s, %(before_override)s, %(after_line)s, %(after_override)s)
        ON CONFLICT (event) DO UPDATE SET before_line = excluded.before_line,
            before_override = excluded.before_override, after_line = excluded.after_line,
            after_override = excluded.after_override
        """,
        [
            {
                "event": nid,
                "before_line": before.line,
                "before_override": before.override,
                "after_line": after.line,
                "after_override": after.override,
            }
            for nid, (before, after) in states.items()
        ],
    )


def states_of(txn: Transaction, nids: Sequence[int]) -> dict[int, EventStates]:
    """The states of those events whose states are not those of the line at their place."""
    rows = txn.rows(
        """
        SELECT event, before_line, before_override, after_line, after_override FROM room_event_state
        WHERE event IN %(nids)s
        """,
        nids=list(nids),
    )
    return {nid: EventStates(StateRef(*own[:2]), StateRef(*own[2:])) for nid, *own in rows}


def insert_refusals(txn: Transaction, refusals: Iterable[tuple[int, int, bool, str]]) -> None:
    """Each is (event, position up to which the timeline was then, whether softly, why)."""
    txn.execute_many(
        """
        INSERT INTO room_refused_event (event, position, soft, reason)
        VALUES (%(event)s, %(position)s, %(soft)s, %(reason)s)
        ON CONFLICT (event) DO UPDATE SET position = excluded.position, soft = excluded.soft,
            reason = excluded.reason
        """,
        [
            {"event": nid, "position": position, "soft": int(soft), "reason": reason}
            for nid, position, soft, reason in refusals
        ],
    )


def delete_refusals(txn: Transaction, nids: Sequence[int]) -> None:
    txn.execute("DELETE FROM room_refused_event WHERE event IN %(nids)s", nids=list(nids))


def refusal_of(txn: Transaction, event_id: EventID) -> str | None:
    """Why the event was refused; None for one that was not, or is not here."""
    row = txn.row(
        """
        SELECT f.reason FROM room_event e JOIN room_refused_event f ON f.event = e.nid
        WHERE e.event_id = %(event_id)s
        """,
        event_id=event_id,
    )
    return None if row is None else str(row[0])


def insert_auth_edges(txn: Transaction, edges: Iterable[tuple[int, int]]) -> None:
    """Each is (cited event, citing event)."""
    txn.execute_many(
        "INSERT INTO room_auth_edge (cited, citing) VALUES (%(cited)s, %(citing)s)",
        [{"cited": cited, "citing": citing} for cited, citing in edges],
    )


def cited_by(txn: Transaction, nids: Collection[int]) -> dict[int, list[int]]:
    """What each of the events cites, but for the create event."""
    rows = txn.rows("SELECT citing, cited FROM room_auth_edge WHERE citing IN %(nids)s", nids=list(nids))
    return _grouped(rows, nids)


def citing(txn: Transaction, nids: Collection[int]) -> dict[int, list[int]]:
    """By which each of the events is cited."""
    rows = txn.rows("SELECT cited, citing FROM room_auth_edge WHERE cited IN %(nids)s", nids=list(nids))
    return _grouped(rows, nids)


def _grouped(rows: Iterable[Sequence[int]], keys: Iterable[int]) -> dict[int, list[int]]:
    grouped: dict[int, list[int]] = {key: [] for key in keys}
    for key, value in rows:
        grouped[key].append(value)
    return grouped


def cited_in_state(
    txn: Transaction, room: int, line: int, nids: Collection[int], without: Collection[int]
) -> set[int]:
    """Those of the events that the state at a number of the line has or cites, slots `without` left out."""
    # Whether one is cited is settled by the first that is found: some are cited by most members of a room.
    # SQLite joins in the written order where it reads CROSS.
    rows = txn.rows(
        """
        SELECT x.nid FROM room_event x WHERE x.nid IN %(nids)s AND (
            EXISTS (
                SELECT 1 FROM room_state_span p
                WHERE p.room = %(room)s AND p.slot = x.slot AND p.event = x.nid
                  AND p.to_line > %(line)s AND p.from_line <= %(line)s AND NOT (p.slot IN %(without)s)
            )
            OR EXISTS (
                SELECT 1 FROM room_auth_edge g
                CROSS JOIN room_event e
                CROSS JOIN room_state_span p
                WHERE g.cited = x.nid AND e.nid = g.citing AND NOT (e.slot IN %(without)s)
                  AND p.room = %(room)s AND p.slot = e.slot AND p.event = e.nid
                  AND p.to_line > %(line)s AND p.from_line <= %(line)s
            )
        )
        """,
        room=room, line=line, nids=list(nids), without=list(without),
    )  # fmt: skip
    return {nid for (nid,) in rows}


def add_missing(txn: Transaction, room: int, missing: Collection[EventID], position: int) -> None:
    """Remembers events that are not here and that the event at a position names."""
    txn.execute_many(
        """
        INSERT INTO room_missing_event (room, event_id, position) VALUES (%(room)s, %(event_id)s, %(position)s)
        ON CONFLICT (room, event_id) DO UPDATE SET position = excluded.position
        WHERE excluded.position < room_missing_event.position
        """,
        [{"room": room, "event_id": event_id, "position": position} for event_id in missing],
    )
    txn.execute(
        """
        DELETE FROM room_missing_event WHERE room = %(room)s AND event_id NOT IN (
            SELECT event_id FROM room_missing_event WHERE room = %(room)s ORDER BY position DESC LIMIT %(most)s
        )
        """,
        room=room, most=MOST_MISSING,
    )  # fmt: skip


def remove_missing(txn: Transaction, room: int, event_ids: Collection[EventID]) -> None:
    """To be told of events that have come."""
    txn.execute(
        "DELETE FROM room_missing_event WHERE room = %(room)s AND event_id IN %(ids)s",
        room=room,
        ids=list(event_ids),
    )


def missing_events(txn: Transaction, room: int) -> dict[EventID, int]:
    """What is known to be missing, with the position of the first event that names it."""
    rows = txn.rows("SELECT event_id, position FROM room_missing_event WHERE room = %(room)s", room=room)
    return {EventID(event_id): position for event_id, position in rows}


def behind_gaps(txn: Transaction, rooms: Collection[int]) -> set[tuple[int, int]]:
    """(room, position) of the events that name missing ones."""
    rows = txn.rows(
        "SELECT room, position FROM room_missing_event WHERE room IN %(rooms)s", rooms=list(rooms)
    )
    return {(room, position) for room, position in rows}


def slots_of_events(txn: Transaction, room: int, event_ids: Collection[EventID]) -> dict[Slot, EventID]:
    """The slots of those of the events that are state of the room; not of those that were rejected."""
    rows = txn.rows(
        """
        SELECT s.type, s.state_key, e.event_id FROM room_event e JOIN room_slot s ON s.nid = e.slot
        WHERE e.room = %(room)s AND e.event_id IN %(event_ids)s AND NOT EXISTS (
            SELECT 1 FROM room_refused_event r WHERE r.event = e.nid AND r.soft = 0
        )
        """,
        room=room, event_ids=list(event_ids),
    )  # fmt: skip
    return {(type_, state_key): EventID(event_id) for type_, state_key, event_id in rows}
