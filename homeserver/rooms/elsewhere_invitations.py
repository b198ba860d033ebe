"""To how many rooms in which nobody of this server is users are invited."""

from collections import OrderedDict
from collections.abc import Iterable

from homeserver.rooms.store.elsewhere import count_invited
from homeserver.storage.database import Database

_MOST_COUNTED = 10_000


class ElsewhereInvitations:
    """Counts them, and remembers the counts that were asked for lately."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._counts: OrderedDict[int, int] = OrderedDict()
        self._generation = 0

    async def of(self, user_nid: int) -> int:
        """How many of a user's invitations stand."""
        count = self._counts.get(user_nid)
        if count is None:
            generation = self._generation
            count = await self._db.read(count_invited, user_nid)
            if generation == self._generation:
                self._counts[user_nid] = count
                if len(self._counts) > _MOST_COUNTED:
                    self._counts.popitem(last=False)
        return count

    def changed(self, user_nids: Iterable[int]) -> None:
        """To be told whose invitations are others now."""
        self._generation += 1
        for user_nid in user_nids:
            self._counts.pop(user_nid, None)

    def forget_all(self) -> None:
        """Nothing is known, whatever was known before."""
        self._generation += 1
        self._counts.clear()
