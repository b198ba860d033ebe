"""Table room_published: rooms that everyone may find, largest first."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.storage.engine import Transaction


class Place(NamedTuple):
    """Where a room stands in the list: first those with most members, then the younger ones."""

    joined: int
    room: int


class Search(NamedTuple):
    """What rooms are looked for: with `words` (in folded case) in what they say, and of one of the `types`.

    None among `types` is for rooms without a type; no types at all are for any.
    """

    words: str = ""
    types: Sequence[str | None] | None = None


def publish_room(txn: Transaction, room: int) -> None:
    """Puts the room onto the list, if it is not there."""
    txn.execute(
        """
        INSERT INTO room_published (room, joined)
        VALUES (%(room)s, coalesce((SELECT joined FROM room_summary WHERE room = %(room)s), 0))
        ON CONFLICT DO NOTHING
        """,
        room=room,
    )


def unpublish_room(txn: Transaction, room: int) -> None:
    txn.execute("DELETE FROM room_published WHERE room = %(room)s", room=room)


def is_published(txn: Transaction, room: int) -> bool:
    return txn.row("SELECT 1 FROM room_published WHERE room = %(room)s", room=room) is not None


def recount_published(txn: Transaction, rooms: Collection[int]) -> None:
    """Takes the number of members anew, where the rooms are on the list."""
    txn.execute(
        """
        UPDATE room_published
        SET joined = coalesce((SELECT s.joined FROM room_summary s WHERE s.room = room_published.room), 0)
        WHERE room IN %(rooms)s
        """,
        rooms=list(rooms),
    )


def count_published(txn: Transaction) -> int:
    row = txn.row("SELECT count(*) FROM room_published WHERE joined > 0")
    assert row is not None, "a count has a row"
    return int(row[0])


# COMPAT(synapse): a published room that nobody can enter or look into is not shown.
_SHOWN = """
    p.joined > 0 AND (d.world_readable = 1 OR d.join_rule IN ('public', 'knock', 'knock_restricted', 'restricted'))
    AND d.words LIKE %(pattern)s ESCAPE '!'
    AND (%(any_type)s = 1 OR d.room_type IN %(types)s OR (%(untyped)s = 1 AND d.room_type IS NULL))
"""


def published_after(txn: Transaction, search: Search, after: Place | None, limit: int) -> list[Place]:
    """The rooms that follow `after`, or the first ones."""
    return _places(txn, search, "(p.joined, p.room) < (%(joined)s, %(room)s)", "DESC", after, limit)


def published_before(txn: Transaction, search: Search, before: Place, limit: int) -> list[Place]:
    """The rooms that come before `before`, nearest first."""
    return _places(txn, search, "(p.joined, p.room) > (%(joined)s, %(room)s)", "ASC", before, limit)


def _places(
    txn: Transaction, search: Search, beyond: str, order: str, place: Place | None, limit: int
) -> list[Place]:
    types = () if search.types is None else search.types
    rows = txn.rows(
        f"""
        SELECT p.joined, p.room FROM room_published p JOIN room_description d ON d.room = p.room
        WHERE {beyond} AND {_SHOWN}
        ORDER BY p.joined {order}, p.room {order}
        LIMIT %(limit)s
        """,
        joined=2**62 if place is None else place.joined,
        room=2**62 if place is None else place.room,
        pattern=f"%{_escaped(search.words)}%",
        any_type=int(search.types is None),
        untyped=int(None in types),
        types=[type_ for type_ in types if type_ is not None],
        limit=limit,
    )
    return [Place(joined, room) for joined, room in rows]


def _escaped(words: str) -> str:
    for character in "!%_":
        words = words.replace(character, "!" + character)
    return words
