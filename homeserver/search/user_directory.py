"""Searching for users.

https://spec.matrix.org/v1.19/client-server-api/#user-directory
"""

from typing import NamedTuple

from config.people import People
from homeserver.http.requester import Requester
from homeserver.rooms.members import Members
from homeserver.search.store.users import Found, IndexedUser, Sought, find_users
from homeserver.search.user_index import UserIndex
from homeserver.search.words import words_of_term
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_LARGEST_PAGE = 50
_RANKED = 100
"""So many users at least are compared with each other, where they are there, before the best are chosen."""


class Matches(NamedTuple):
    """The best matches; `limited` says that there are more."""

    users: list[IndexedUser]
    limited: bool


class UserDirectory:
    """Finds users by beginnings of words in their IDs and names."""

    def __init__(self, db: Database, index: UserIndex, members: Members, settings: People) -> None:
        self._db = db
        self._index = index
        self._members = members
        self._settings = settings

    async def search(self, requester: Requester, term: str, limit: int) -> Matches:
        """Of those whom the requester may find; never the requester."""
        words = words_of_term(term)
        if not words or not self._settings.directory_enabled:
            return Matches([], limited=False)
        await self._index.catch_up()
        rooms = await self._members.rooms_of(requester.user_nid)
        joined = [room for room, member in rooms.items() if member.membership == "join"]
        sought = Sought(
            words=[word.encode() for word in words],
            by=requester.user_nid,
            rooms=None if self._settings.search_all_users else joined,
            only_local=self._settings.exclude_remote_users,
            locked_too=self._settings.show_locked_users,
        )
        page = max(0, min(limit, _LARGEST_PAGE))
        found = await self._db.read(_distinct, sought, max(_RANKED, page + 1))
        ranked = sorted(found, key=self._rank(words[0].encode()))
        return Matches([one.user for one in ranked[:page]], limited=len(found) > page)

    def _rank(self, word: bytes) -> "_Rank":
        return _Rank(word, prefers_local=self._settings.prefer_local_users)


class _Rank:
    """The order of matches: whole words first, then who has a name and a picture, then by the words."""

    def __init__(self, word: bytes, *, prefers_local: bool) -> None:
        self._word = word
        self._prefers_local = prefers_local

    def __call__(self, found: Found) -> tuple[bool, bool, bool, bool, bytes, str]:
        user = found.user
        return (
            self._prefers_local and not user.is_local,
            found.word != self._word,
            user.displayname is None,
            user.avatar_url is None,
            found.word,
            user.user_id,
        )


def _distinct(txn: Transaction, sought: Sought, enough: int) -> list[Found]:
    """The first matches, one for each user."""
    users: dict[int, Found] = {}
    last = None
    while True:
        page = find_users(txn, sought, last, enough)
        for found in page:
            users.setdefault(found.user.user_nid, found)
        if len(page) < enough or len(users) >= enough:
            return list(users.values())
        last = page[-1]
