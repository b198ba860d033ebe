"""Tables search_user, search_user_word, search_public_room and search_unread_room."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import decode_json
from homeserver.storage.engine import Transaction

_OPEN = 2**62


class IndexedUser(NamedTuple):
    """A user as the directory shows them."""

    user_nid: int
    user_id: UserID
    is_local: bool
    displayname: str | None
    avatar_url: str | None


class Found(NamedTuple):
    """A user with the word by which they were found."""

    word: bytes
    user: IndexedUser


class Sought(NamedTuple):
    """Who is looked for: users with words that begin as `words` do, the first of them most telling.

    `rooms` are those of the searcher `by`; None where everybody is found.
    """

    words: Sequence[bytes]
    by: int
    rooms: Collection[int] | None
    only_local: bool
    locked_too: bool


def index_user(txn: Transaction, user: IndexedUser, words: Sequence[str]) -> None:
    """Replaces what is known of the user."""
    delete_words(txn, [user.user_nid])
    index_users(txn, [(user, words)])


def index_users(txn: Transaction, users: Sequence[tuple[IndexedUser, Sequence[str]]]) -> None:
    """Users, no two of them the same, each with the words that they are found by, none of them twice.

    They have no words yet, or no longer.
    """
    txn.execute_many(
        """
        INSERT INTO search_user (user_nid, is_local, displayname, avatar_url)
        VALUES (%(user_nid)s, %(is_local)s, %(displayname)s, %(avatar_url)s)
        ON CONFLICT (user_nid) DO UPDATE
            SET displayname = excluded.displayname, avatar_url = excluded.avatar_url
        """,
        [user._asdict() | {"is_local": int(user.is_local)} for user, _ in users],
    )
    txn.execute_many(
        "INSERT INTO search_user_word (word, user_nid) VALUES (%(word)s, %(user_nid)s)",
        [{"word": word.encode(), "user_nid": user.user_nid} for user, words in users for word in words],
    )


def delete_words(txn: Transaction, users: Sequence[int]) -> None:
    """The words of users, by their short ids."""
    txn.execute("DELETE FROM search_user_word WHERE user_nid IN %(users)s", users=list(users))


def not_indexed_as(
    txn: Transaction, users: Collection[IndexedUser]
) -> tuple[list[IndexedUser], list[IndexedUser]]:
    """Those of the users who are not in the index, and those who are there otherwise."""
    rows = txn.rows(
        "SELECT user_nid, displayname, avatar_url FROM search_user WHERE user_nid IN %(users)s",
        users=[user.user_nid for user in users],
    )
    known = {user_nid: (displayname, avatar_url) for user_nid, displayname, avatar_url in rows}
    new = [user for user in users if user.user_nid not in known]
    there = [user for user in users if user.user_nid in known]
    return new, [user for user in there if known[user.user_nid] != (user.displayname, user.avatar_url)]


def find_users(txn: Transaction, sought: Sought, after: Found | None, limit: int) -> list[Found]:
    """Matches in the order of words and users, from behind `after` on; a user may come more than once.

    It walks along one index, a stretch at a time, until there are enough: it costs what it passes over, not all users.
    """
    found: list[Found] = []
    place = (sought.words[0], 0) if after is None else (after.word, after.user.user_nid)
    while len(found) < limit:
        words = _words_behind(txn, sought, place)
        users = _wanted_users(txn, sought, {user_nid for _, user_nid in words})
        found += [Found(word, users[user_nid]) for word, user_nid in words if user_nid in users]
        if len(words) < _STRETCH:
            break
        place = words[-1]
    return found[:limit]


_STRETCH = 300


def _words_behind(txn: Transaction, sought: Sought, place: tuple[bytes, int]) -> list[tuple[bytes, int]]:
    """Words that begin as the first one sought, with their users, in their order."""
    first = sought.words[0]
    rows = txn.rows(
        """
        SELECT word, user_nid FROM search_user_word
        WHERE word >= %(word)s AND word < %(end)s AND (word > %(word)s OR user_nid > %(user)s)
        ORDER BY word, user_nid
        LIMIT %(stretch)s
        """,
        word=place[0], user=place[1], end=first + b"\xff", stretch=_STRETCH,
    )  # fmt: skip
    return [(bytes(word), user_nid) for word, user_nid in rows]


def _wanted_users(txn: Transaction, sought: Sought, users: Collection[int]) -> dict[int, IndexedUser]:
    """Those of the users who have the other words, too, and may be found."""
    params: dict[str, object] = {"users": list(users), "by": sought.by, "rooms": list(sought.rooms or ())}
    others = sought.words[1:]
    for number, word in enumerate(others):
        params |= {f"from{number}": word, f"to{number}": word + b"\xff"}
    rows = txn.rows(
        f"""
        SELECT s.user_nid, u.user_id, s.is_local, s.displayname, s.avatar_url
        FROM search_user s
        JOIN known_user u ON u.nid = s.user_nid
        LEFT JOIN account a ON a.user_nid = s.user_nid
        WHERE s.user_nid IN %(users)s AND s.user_nid <> %(by)s AND a.deactivated_at IS NULL
          {" ".join(_CONDITIONS[name] for name in _wanted(sought))}
          {" ".join(_also(number) for number in range(len(others)))}
        """,
        **params,
    )
    return {
        nid: IndexedUser(nid, UserID(user_id), bool(is_local), displayname, avatar_url)
        for nid, user_id, is_local, displayname, avatar_url in rows
    }


_CONDITIONS = {
    "visible": """
        AND EXISTS (
            SELECT 1 FROM room_member m
            WHERE m.user_nid = s.user_nid AND m.membership = 'join' AND (
                m.room IN %(rooms)s
                OR EXISTS (SELECT 1 FROM search_public_room p WHERE p.room = m.room)
            )
        )
    """,
    "local": "AND s.is_local = 1",
    "unlocked": "AND a.locked_at IS NULL",
}


def _wanted(sought: Sought) -> list[str]:
    wanted = [] if sought.rooms is None else ["visible"]
    wanted += ["local"] if sought.only_local else []
    return wanted if sought.locked_too else [*wanted, "unlocked"]


def _also(number: int) -> str:
    return f"""
        AND EXISTS (
            SELECT 1 FROM search_user_word x
            WHERE x.user_nid = s.user_nid AND x.word >= %(from{number})s AND x.word < %(to{number})s
        )
    """


def update_public_room(txn: Transaction, room: int) -> None:
    """Notes whether everybody may find the members of a room, as its current state says."""
    rows = txn.rows(
        """
        SELECT s.type, b.client FROM room_slot s
        JOIN room_state_span p ON p.room = %(room)s AND p.slot = s.nid AND p.to_line = %(open)s
        JOIN room_event_body b ON b.nid = p.event
        WHERE s.type IN %(types)s AND s.state_key = ''
        """,
        room=room, open=_OPEN, types=["m.room.join_rules", "m.room.history_visibility"],
    )  # fmt: skip
    contents = {type_: decode_json(client)["content"] for type_, client in rows}
    is_public = contents.get("m.room.join_rules", {}).get("join_rule") == "public"
    visibility = contents.get("m.room.history_visibility", {}).get("history_visibility")
    if is_public or visibility == "world_readable":
        txn.execute(
            "INSERT INTO search_public_room (room) VALUES (%(room)s) ON CONFLICT DO NOTHING", room=room
        )
    else:
        delete_public_room(txn, room)


def delete_public_room(txn: Transaction, room: int) -> None:
    txn.execute("DELETE FROM search_public_room WHERE room = %(room)s", room=room)


def delete_departed(txn: Transaction, limit: int) -> int:
    """Users of other servers who are in no room here; how many were deleted."""
    rows = txn.rows(
        """
        SELECT s.user_nid FROM search_user s
        WHERE s.is_local = 0 AND NOT EXISTS (
            SELECT 1 FROM room_member m WHERE m.user_nid = s.user_nid AND m.membership = 'join'
        )
        LIMIT %(limit)s
        """,
        limit=limit,
    )
    users = [user_nid for (user_nid,) in rows]
    delete_words(txn, users)
    txn.execute("DELETE FROM search_user WHERE user_nid IN %(users)s", users=users)
    return len(users)


def delete_index(txn: Transaction) -> None:
    """Everything, to be built anew."""
    txn.execute("DELETE FROM search_user_word")
    txn.execute("DELETE FROM search_user")
    txn.execute("DELETE FROM search_public_room")
    txn.execute("DELETE FROM search_unread_room")


def rooms_after(txn: Transaction, room: int, limit: int) -> list[int]:
    """Short ids of rooms greater than `room`, in their order."""
    rows = txn.rows(
        "SELECT nid FROM room WHERE nid > %(room)s ORDER BY nid LIMIT %(limit)s", room=room, limit=limit
    )
    return [nid for (nid,) in rows]


def joined_members(
    txn: Transaction, room: int, after_user: int, limit: int
) -> list[tuple[int, UserID, bytes]]:
    """Short id, ID and member event (client JSON) of those who are joined to a room, in the order of their ids."""
    rows = txn.rows(
        """
        SELECT m.user_nid, u.user_id, b.client
        FROM (
            SELECT user_nid, event FROM room_member
            WHERE room = %(room)s AND membership = 'join' AND user_nid > %(after_user)s
            ORDER BY user_nid LIMIT %(limit)s
        ) m
        JOIN known_user u ON u.nid = m.user_nid
        JOIN room_event_body b ON b.nid = m.event
        ORDER BY m.user_nid
        """,
        room=room, after_user=after_user, limit=limit,
    )  # fmt: skip
    return [(user_nid, UserID(user_id), client) for user_nid, user_id, client in rows]


def put_unread_room(txn: Transaction, room: int, after_user: int = 0) -> None:
    """Members from behind `after_user` on are to be taken up."""
    txn.execute(
        """
        INSERT INTO search_unread_room (room, after_user) VALUES (%(room)s, %(after_user)s)
        ON CONFLICT (room) DO UPDATE SET after_user = excluded.after_user
        """,
        room=room, after_user=after_user,
    )  # fmt: skip


def unread_room(txn: Transaction) -> tuple[int, int] | None:
    """A room with members to be taken up, and the short id behind which they are."""
    row = txn.row("SELECT room, after_user FROM search_unread_room ORDER BY room LIMIT 1")
    return None if row is None else (row[0], row[1])


def delete_unread_room(txn: Transaction, room: int) -> None:
    txn.execute("DELETE FROM search_unread_room WHERE room = %(room)s", room=room)
