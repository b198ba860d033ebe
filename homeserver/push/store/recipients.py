"""Whom what notifies concerns; reads room_inhabitant, room_member, push_audience, account_data and pusher."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from homeserver.account_data.store import NO_ROOM
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import decode_json
from homeserver.rooms.ignored import IGNORED_USERS
from homeserver.storage.engine import Transaction


class Recipient(NamedTuple):
    """A member of a room who has pushers. `ignored` are short ids of users."""

    user_nid: int
    user_id: UserID
    since: int
    ruleset: int
    silent: bool
    ignored: frozenset[int]


class NewsRow(NamedTuple):
    """An event that notifies most members of its room, by the rule of this ID. `ts` is in ms."""

    position: int
    room: int
    sender: int
    rule: str
    ts: int


class OwnRow(NamedTuple):
    """What an event means to one user who has pushers; `actions` is JSON. Of whom the user ignores nothing notifies."""

    position: int
    user_nid: int
    user_id: UserID
    room: int
    sender: int
    notify: bool
    actions: bytes
    ts: int


_MEMBERS = """
    SELECT m.room, m.user_nid, u.user_id, m.since, coalesce(a.ruleset, 0), coalesce(a.silent, 0)
    FROM room_inhabitant i
    JOIN room_member m ON m.room = i.room AND m.user_nid = i.user_nid
    JOIN known_user u ON u.nid = m.user_nid
    LEFT JOIN push_audience a ON a.room = m.room AND a.user_nid = m.user_nid
    WHERE i.room IN %(rooms)s AND m.membership = 'join'
      AND EXISTS (SELECT 1 FROM pusher p WHERE p.user_nid = m.user_nid)
"""


def recipients_in(
    txn: Transaction, rooms: Collection[int], users: Collection[int] | None = None
) -> dict[int, dict[int, Recipient]]:
    """The members of the rooms who have pushers, or those of them who are among `users`; by room and user."""
    among = "" if users is None else " AND m.user_nid IN %(users)s"
    rows = txn.rows(_MEMBERS + among, rooms=list(rooms), **({} if users is None else {"users": list(users)}))
    ignored = _ignored_by(txn, {row[1] for row in rows})
    found: dict[int, dict[int, Recipient]] = {room: {} for room in rooms}
    for room, user_nid, user_id, since, ruleset, silent in rows:
        found[room][user_nid] = Recipient(
            user_nid, UserID(user_id), since, ruleset, bool(silent), ignored.get(user_nid, frozenset())
        )
    return found


def _ignored_by(txn: Transaction, users: Collection[int]) -> Mapping[int, frozenset[int]]:
    """Whom each of the users ignores; those who ignore nobody are left out."""
    rows = txn.rows(
        """
        SELECT user_nid, content FROM account_data
        WHERE user_nid IN %(users)s AND room_nid = %(no_room)s AND type = %(type)s AND length(content) > 0
        """,
        users=list(users), no_room=NO_ROOM, type=IGNORED_USERS,
    )  # fmt: skip
    names = {}
    for user_nid, content in rows:
        listed = decode_json(bytes(content)).get("ignored_users")
        if isinstance(listed, dict) and listed:
            names[user_nid] = set(listed)
    if not names:
        return {}
    known = txn.rows(
        "SELECT user_id, nid FROM known_user WHERE user_id IN %(ids)s", ids=list(set().union(*names.values()))
    )
    nids: dict[str, int] = dict(known)
    return {user: frozenset(nids[name] for name in listed if name in nids) for user, listed in names.items()}


def news_between(txn: Transaction, after: int, upto: int, limit: int) -> list[NewsRow]:
    """What notifies most at after < position <= upto, the oldest `limit`, without what was redacted."""
    rows = txn.rows(
        """
        SELECT position, room, sender, rule, ts FROM push_event
        WHERE position > %(after)s AND position <= %(upto)s AND redacted = 0
        ORDER BY position LIMIT %(limit)s
        """,
        after=after, upto=upto, limit=limit,
    )  # fmt: skip
    return [NewsRow(*row) for row in rows]


def own_between(txn: Transaction, after: int, upto: int) -> Mapping[int, Sequence[OwnRow]]:
    """What means something of its own to users who have pushers at after < position <= upto, by position."""
    rows = txn.rows(
        """
        SELECT x.position, x.user_nid, u.user_id, x.room, x.sender, x.notify, x.actions, x.ts
        FROM push_exception x JOIN known_user u ON u.nid = x.user_nid
        WHERE x.position > %(after)s AND x.position <= %(upto)s
          AND EXISTS (SELECT 1 FROM pusher p WHERE p.user_nid = x.user_nid)
        ORDER BY x.position
        """,
        after=after, upto=upto,
    )  # fmt: skip
    ignored = _ignored_by(txn, {row[1] for row in rows})
    found: dict[int, list[OwnRow]] = defaultdict(list)
    for own in (OwnRow(*row) for row in rows):
        wanted = bool(own.notify) and own.sender not in ignored.get(own.user_nid, ())
        found[own.position].append(own._replace(notify=wanted))
    return found


def nids_of(txn: Transaction, rooms: Collection[int], positions: Collection[int]) -> list[int]:
    """The short ids of the events at positions, which are in the rooms."""
    rows = txn.rows(
        "SELECT nid FROM room_event WHERE room IN %(rooms)s AND position IN %(positions)s",
        rooms=list(rooms), positions=list(positions),
    )  # fmt: skip
    return [nid for (nid,) in rows]
