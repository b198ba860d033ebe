"""How much the user has not read, told with each room.

https://spec.matrix.org/v1.19/client-server-api/#receiving-notifications
"""

from collections.abc import Collection, Mapping, Sequence

from homeserver.ephemeral.receipts import Receipts
from homeserver.ephemeral.threads import MAIN
from homeserver.protocol.json import JsonObject
from homeserver.push.rules import UserRules
from homeserver.push.store.audience import silence_changes
from homeserver.push.store.counts import ByThread, rooms_read
from homeserver.push.unread import UnreadCounts
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


class UnreadNews:
    """New events bring new counts along; here is what changes counts where there is no new event."""

    def __init__(self, counts: UnreadCounts, receipts: Receipts, rules: UserRules, db: Database) -> None:
        self._counts = counts
        self._receipts = receipts
        self._rules = rules
        self._db = db

    def changed_after(self, user_nid: int, room: int, position: int) -> bool:
        """Whether the user may have read, or silenced, the room after `position`."""
        return self._receipts.moved_after(room, user_nid, position) or self._rules.changed_after(
            user_nid, position
        )

    async def changed_rooms(
        self, user_nid: int, rooms: Sequence[int], after: int, upto: int
    ) -> Collection[int]:
        """Of these rooms, those in which it did change at after < position <= upto."""
        return await self._db.read(_changed_rooms, user_nid, rooms, after, upto) if rooms else ()

    async def counts(self, user_nid: int, rooms: Collection[int]) -> Mapping[int, ByThread]:
        """By room, what is unread now."""
        return await self._counts.of(user_nid, rooms) if rooms else {}


def _changed_rooms(
    txn: Transaction, user_nid: int, rooms: Sequence[int], after: int, upto: int
) -> Collection[int]:
    silenced = silence_changes(txn, user_nid, after, upto)
    return {*rooms_read(txn, user_nid, rooms, after, upto), *silenced} & set(rooms)


def shown_counts(counts: ByThread, *, each_thread: bool) -> JsonObject:
    """What is told with a room: the counts of all threads together, or of each."""
    if not each_thread:
        return {"unread_notifications": _total(counts.keys(), counts)}
    threads = {
        thread: _total((thread,), counts)
        for thread, count in counts.items()
        if thread != MAIN and count.notify > 0
    }
    shown: JsonObject = {"unread_notifications": _total((MAIN,), counts)}
    return {**shown, "unread_thread_notifications": threads} if threads else shown


def _total(threads: Collection[str], counts: ByThread) -> JsonObject:
    found = [counts[thread] for thread in threads if thread in counts]
    return {
        "highlight_count": sum(count.highlight for count in found),
        "notification_count": sum(count.notify for count in found),
    }
