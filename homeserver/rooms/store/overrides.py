"""Table room_override: what differs from a number of a room's state line, for events on forks."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from homeserver.storage.engine import Transaction

HIGHEST = 64
"""So many overrides may rest on each other; the next one is written whole. So a fork costs a row per state event."""

Changes = Mapping[int, int | None]
"""The event by slot, both as short ids; None where the slot is empty."""

_decode = msgspec.json.Decoder(dict[int, int | None]).decode


class StateRef(NamedTuple):
    """One state of a room: that of a number of its line, but for what an override says."""

    line: int
    override: int | None = None


class OverrideRow(NamedTuple):
    nid: int
    room: int
    parent: int | None
    height: int
    changes: Changes


def insert_overrides(txn: Transaction, rows: Sequence[OverrideRow]) -> None:
    txn.execute_many(
        """
        INSERT INTO room_override (nid, room, parent, height, changes)
        VALUES (%(nid)s, %(room)s, %(parent)s, %(height)s, %(changes)s)
        """,
        [row._asdict() | {"changes": msgspec.json.encode(row.changes)} for row in rows],
    )


class Override(NamedTuple):
    """An override with all that it rests on. `height` says how many those are."""

    changes: Changes
    height: int


NO_OVERRIDE = Override({}, -1)


def read_override(txn: Transaction, nid: int | None) -> Override:
    """The whole override; an empty one for None."""
    if nid is None:
        return NO_OVERRIDE
    rows = txn.rows(
        """
        WITH RECURSIVE stack (nid, parent, height, changes) AS (
            SELECT nid, parent, height, changes FROM room_override WHERE nid = %(nid)s
            UNION ALL
            SELECT o.nid, o.parent, o.height, o.changes FROM stack s JOIN room_override o ON o.nid = s.parent
        )
        SELECT height, changes FROM stack ORDER BY height
        """,
        nid=nid,
    )
    changes: dict[int, int | None] = {}
    for _, changed in rows:
        changes |= _decode(changed)
    return Override(changes, rows[-1][0])


def overriding(txn: Transaction, nid: int, slot: tuple[str, str]) -> dict[tuple[str, str], bytes | None]:
    """What an override says of one slot: the client JSON of the event in it, None for none; empty if nothing."""
    row = txn.row(
        "SELECT nid FROM room_slot WHERE type = %(type)s AND state_key = %(state_key)s",
        type=slot[0],
        state_key=slot[1],
    )
    changes = read_override(txn, nid).changes
    if row is None or row[0] not in changes:
        return {}
    body = txn.row("SELECT client FROM room_event_body WHERE nid = %(nid)s", nid=changes[row[0]])
    return {slot: None if body is None else body[0]}
