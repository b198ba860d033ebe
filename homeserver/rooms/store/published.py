"""Tables room_published, rooms that everyone may find, largest first, and room_published_count."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from homeserver.storage.engine import Transaction

MAIN_LIST = ""
"""The network of rooms that are on the list that belongs to no network."""


class Place(NamedTuple):
    """Where a room stands in the list: first those with most members, then the younger ones."""

    joined: int
    room: int


class Search(NamedTuple):
    """What rooms are looked for: with `words` (in folded case) in what they say, and of one of the `types`.

    None among `types` is for rooms without a type; no types at all are for any. `network` is None for all lists.
    """

    words: str = ""
    types: Sequence[str | None] | None = None
    network: str | None = MAIN_LIST


def publish_room(txn: Transaction, room: int, network: str = MAIN_LIST) -> None:
    """Puts the room onto the list, if it is not there."""
    added = txn.row(
        """
        INSERT INTO room_published (room, network, joined)
        VALUES (%(room)s, %(network)s, coalesce((SELECT joined FROM room_summary WHERE room = %(room)s), 0))
        ON CONFLICT DO NOTHING
        RETURNING joined
        """,
        room=room, network=network,
    )  # fmt: skip
    if added is not None and added[0] > 0 and network == MAIN_LIST:
        _count(txn, 1)


def unpublish_room(txn: Transaction, room: int, network: str = MAIN_LIST) -> None:
    removed = txn.row(
        "DELETE FROM room_published WHERE room = %(room)s AND network = %(network)s RETURNING joined",
        room=room, network=network,
    )  # fmt: skip
    if removed is not None and removed[0] > 0 and network == MAIN_LIST:
        _count(txn, -1)


def delete_lists(txn: Transaction, prefix: str) -> None:
    """The lists of all networks whose names begin so."""
    txn.execute(
        "DELETE FROM room_published WHERE network <> '' AND substr(network, 1, %(length)s) = %(prefix)s",
        length=len(prefix), prefix=prefix,
    )  # fmt: skip


def is_published(txn: Transaction, room: int) -> bool:
    row = txn.row("SELECT 1 FROM room_published WHERE room = %(room)s AND network = ''", room=room)
    return row is not None


_JOINED = "coalesce((SELECT s.joined FROM room_summary s WHERE s.room = room_published.room), 0)"
_RECOUNT = f"UPDATE room_published SET joined = {_JOINED} WHERE room IN %(rooms)s"


def recount_published(txn: Transaction, rooms: Collection[int]) -> None:
    """Takes the number of members anew, where the rooms are on a list."""
    rows = txn.rows("SELECT room FROM room_published WHERE room IN %(rooms)s", rooms=list(rooms))
    published = [room for (room,) in rows]
    if not published:
        return
    filled = txn.execute(f"{_RECOUNT} AND network = '' AND joined = 0 AND {_JOINED} > 0", rooms=published)
    emptied = txn.execute(f"{_RECOUNT} AND network = '' AND joined > 0 AND {_JOINED} = 0", rooms=published)
    txn.execute(_RECOUNT, rooms=published)
    if filled != emptied:
        _count(txn, filled - emptied)


def _count(txn: Transaction, more: int) -> None:
    txn.execute("UPDATE room_published_count SET rooms = rooms + %(more)s", more=more)


def count_published(txn: Transaction) -> int:
    """How many rooms on the main list somebody is joined to."""
    row = txn.row("SELECT rooms FROM room_published_count")
    assert row is not None, "its migration writes this row"
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
    # On one list there is nothing twice, and no time to be spent on seeing to that.
    select, listed = (
        ("SELECT DISTINCT", "") if search.network is None else ("SELECT", "p.network = %(network)s AND")
    )
    rows = txn.rows(
        f"""
        {select} p.joined, p.room FROM room_published p JOIN room_description d ON d.room = p.room
        WHERE {listed} {beyond} AND {_SHOWN}
        ORDER BY p.joined {order}, p.room {order}
        LIMIT %(limit)s
        """,
        network=search.network,
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
