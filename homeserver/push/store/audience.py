"""Tables push_audience and push_ruleset: for whom, and in which rooms, other than the default rules apply."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import canonical_json, decode_json
from homeserver.protocol.push_rules import UNCHANGED, PushRules
from homeserver.storage.engine import Transaction

DEFAULT = 0
"""The number of the default ruleset, which is not in the table."""

_decode = msgspec.json.Decoder(PushRules).decode


class AudienceRow(NamedTuple):
    """Which ruleset applies to a local member of a room. `silent`: whether plain messages do not notify."""

    room: int
    user_nid: int
    ruleset: int
    silent: bool
    position: int


class Member(NamedTuple):
    """A joined user who is judged alone."""

    user_nid: int
    user_id: UserID
    display_name: str | None
    ruleset: int


def ruleset_number(rules: PushRules) -> int:
    """A number that follows from the text of the rules; DEFAULT for those that nobody changed."""
    if rules == UNCHANGED:
        return DEFAULT
    digest = blake2b(canonical_json(rules), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def insert_rulesets(txn: Transaction, rulesets: dict[int, PushRules]) -> None:
    """By their numbers; those that are there stay."""
    txn.execute_many(
        "INSERT INTO push_ruleset (nid, rules) VALUES (%(nid)s, %(rules)s) ON CONFLICT DO NOTHING",
        [{"nid": nid, "rules": canonical_json(rules)} for nid, rules in rulesets.items() if nid != DEFAULT],
    )


def ruleset(txn: Transaction, nid: int) -> PushRules:
    row = txn.row("SELECT rules FROM push_ruleset WHERE nid = %(nid)s", nid=nid)
    assert row is not None, "rulesets in use are not deleted"
    return _decode(row[0])


def rulesets(txn: Transaction, nids: Sequence[int]) -> dict[int, PushRules]:
    """Those of the rulesets that are in use; DEFAULT is not among them."""
    rows = txn.rows("SELECT nid, rules FROM push_ruleset WHERE nid IN %(nids)s", nids=list(nids))
    return {nid: _decode(rules) for nid, rules in rows}


def delete_unused_rulesets(txn: Transaction) -> None:
    txn.execute(
        """
        DELETE FROM push_ruleset
        WHERE NOT EXISTS (SELECT 1 FROM push_audience a WHERE a.ruleset = push_ruleset.nid)
        """
    )


def rulesets_in(txn: Transaction, rooms: Sequence[int]) -> dict[int, list[int]]:
    """The numbers of the rulesets in each room, by room; costs what they are, not how many use them."""
    rows = txn.rows(
        """
        WITH RECURSIVE present(room, ruleset) AS (
            SELECT r.nid, (SELECT min(a.ruleset) FROM push_audience a WHERE a.room = r.nid)
            FROM room r WHERE r.nid IN %(rooms)s
            UNION ALL
            SELECT p.room, (
                SELECT min(a.ruleset) FROM push_audience a WHERE a.room = p.room AND a.ruleset > p.ruleset
            )
            FROM present p WHERE p.ruleset IS NOT NULL
        )
        SELECT room, ruleset FROM present WHERE ruleset > 0
        """,
        rooms=list(rooms),
    )
    found: dict[int, list[int]] = {room: [] for room in rooms}
    for room, nid in rows:
        found[room].append(nid)
    return found


def users_of_ruleset(txn: Transaction, room: int, ruleset: int, at: int) -> list[int]:
    """The users, by short id, who were in the room at a position."""
    rows = txn.rows(
        """
        SELECT a.user_nid FROM push_audience a
        JOIN room_member m ON m.room = a.room AND m.user_nid = a.user_nid
        WHERE a.room = %(room)s AND a.ruleset = %(ruleset)s
          AND m.membership = 'join' AND m.since <= %(at)s
        """,
        room=room, ruleset=ruleset, at=at,
    )  # fmt: skip
    return [user_nid for (user_nid,) in rows]


_MEMBERS = """
    SELECT m.user_nid, u.user_id, b.client, coalesce(a.ruleset, 0) FROM room_member m
    JOIN known_user u ON u.nid = m.user_nid
    JOIN room_event_body b ON b.nid = m.event
    LEFT JOIN push_audience a ON a.room = m.room AND a.user_nid = m.user_nid
    WHERE m.room = %(room)s AND m.membership = 'join' AND m.since <= %(at)s
"""


def members_named(txn: Transaction, room: int, user_ids: Sequence[str], at: int) -> list[Member]:
    """Of these users, those who were in the room at a position."""
    rows = txn.rows(_MEMBERS + " AND u.user_id IN %(user_ids)s", room=room, at=at, user_ids=list(user_ids))
    return [_member(*row) for row in rows]


def members_of_rulesets(txn: Transaction, room: int, rulesets: Sequence[int], at: int) -> list[Member]:
    """Of the users of these rulesets, those who were in the room at a position."""
    rows = txn.rows(_MEMBERS + " AND a.ruleset IN %(rulesets)s", room=room, at=at, rulesets=list(rulesets))
    return [_member(*row) for row in rows]


def _member(user_nid: int, user_id: str, client: bytes, ruleset: int) -> Member:
    display_name = decode_json(client)["content"].get("displayname")
    name = display_name if isinstance(display_name, str) else None
    return Member(user_nid, UserID(user_id), name, ruleset)


def joined_rooms(txn: Transaction, user_nid: int) -> list[tuple[int, str]]:
    """Short ids and IDs of the rooms that a user is in."""
    rows = txn.rows(
        """
        SELECT m.room, r.room_id FROM room_member m JOIN room r ON r.nid = m.room
        WHERE m.user_nid = %(user_nid)s AND m.membership = 'join'
        """,
        user_nid=user_nid,
    )
    return [(room, room_id) for room, room_id in rows]


def audience_of_user(txn: Transaction, user_nid: int) -> dict[int, AudienceRow]:
    """The user's rows by room."""
    rows = txn.rows(
        """
        SELECT room, user_nid, ruleset, silent, position FROM push_audience
        WHERE user_nid = %(user_nid)s
        """,
        user_nid=user_nid,
    )
    return {row[0]: AudienceRow(row[0], row[1], row[2], bool(row[3]), row[4]) for row in rows}


def upsert_audience(txn: Transaction, rows: Sequence[AudienceRow]) -> None:
    txn.execute_many(
        """
        INSERT INTO push_audience (room, user_nid, ruleset, silent, position)
        VALUES (%(room)s, %(user_nid)s, %(ruleset)s, %(silent)s, %(position)s)
        ON CONFLICT (room, user_nid) DO UPDATE SET
            ruleset = excluded.ruleset, silent = excluded.silent, position = excluded.position
        """,
        [row._asdict() | {"silent": int(row.silent)} for row in rows],
    )


def delete_audience(txn: Transaction, members: Sequence[tuple[int, int]]) -> None:
    """Of each (room, user's short id)."""
    txn.execute_many(
        "DELETE FROM push_audience WHERE room = %(room)s AND user_nid = %(user_nid)s",
        [{"room": room, "user_nid": user_nid} for room, user_nid in members],
    )


def delete_default_audience(txn: Transaction, upto: int) -> None:
    """Members whose rules became the default ones again, at a position that nobody asks for any more."""
    txn.execute("DELETE FROM push_audience WHERE ruleset = 0 AND position <= %(upto)s", upto=upto)


def silence_changes(txn: Transaction, user_nid: int, after: int, upto: int) -> list[int]:
    """Rooms that became silent or loud for a user at after < position <= upto."""
    rows = txn.rows(
        """
        SELECT room FROM push_audience
        WHERE user_nid = %(user_nid)s AND position > %(after)s AND position <= %(upto)s
        """,
        user_nid=user_nid, after=after, upto=upto,
    )  # fmt: skip
    return [room for (room,) in rows]
