"""The list of rooms that everyone may find.

https://spec.matrix.org/v1.19/client-server-api/#published-room-directory
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from homeserver.protocol.errors import InvalidParam
from homeserver.rooms.appends import Accepted
from homeserver.rooms.store.descriptions import Described, descriptions_of
from homeserver.rooms.store.published import (
    MAIN_LIST,
    Place,
    Search,
    count_published,
    published_after,
    published_before,
    recount_published,
)
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

_LARGEST_PAGE = 500
_TOKEN = re.compile(r"([np])([0-9]{1,18})_([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class PublicRooms:
    """A page of the list; `before` and `after` are tokens of its neighbours, None where there is none.

    `total` is None where it is not known how long the list is.
    """

    rooms: Sequence[Described]
    before: str | None
    after: str | None
    total: int | None


class PublishedRooms:
    """Reads the list, and keeps its order up to date as people join and leave (a Projection)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(self, search: Search, token: str | None, limit: int) -> PublicRooms:
        """At most `limit` rooms, from where `token` points to. Raises InvalidParam for what is no token."""
        backwards, place = (False, None) if token is None else _parse(token)
        return await self._db.read(_page, search, backwards, place, max(1, min(limit, _LARGEST_PAGE)))

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        rooms = {
            accepted.room
            for accepted in events
            if any(change.target is not None for change in accepted.changes)
        }
        if rooms:
            recount_published(txn, rooms)

    def projected(self, _: Sequence[Accepted]) -> Iterable[Topic]:
        return ()


def list_of(network: str | None, *, all_networks: bool) -> str | None:
    """The `network` of a `Search`. Raises InvalidParam for a particular one of all."""
    if not all_networks:
        return network or MAIN_LIST
    if network is not None:
        raise InvalidParam("third_party_instance_id cannot be used with include_all_networks")
    return None


def _parse(token: str) -> tuple[bool, Place]:
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise InvalidParam("since is no token of this server")
    direction, joined, room = match.groups()
    return direction == "p", Place(int(joined), int(room))


def _page(txn: Transaction, search: Search, backwards: bool, place: Place | None, limit: int) -> PublicRooms:
    if backwards and place is not None:
        found = published_before(txn, search, place, limit + 1)
        places = found[limit - 1 :: -1]
        is_first, is_last = len(found) <= limit, False
    else:
        found = published_after(txn, search, place, limit + 1)
        places = found[:limit]
        is_first, is_last = place is None, len(found) <= limit
    described = descriptions_of(txn, [each.room for each in places])
    return PublicRooms(
        rooms=[described[each.room] for each in places],
        before=None if is_first or not places else f"p{places[0].joined}_{places[0].room}",
        after=None if is_last or not places else f"n{places[-1].joined}_{places[-1].room}",
        total=count_published(txn) if search.network == MAIN_LIST else None,
    )
