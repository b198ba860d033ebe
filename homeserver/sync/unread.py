"""How much the user has not read, told with each room.

https://spec.matrix.org/v1.19/client-server-api/#receiving-notifications
"""

from collections.abc import Collection, Mapping, Sequence

from homeserver.ephemeral.receipts import Receipts
from homeserver.ephemeral.threads import MAIN
from homeserver.protocol.json import JsonObject
from homeserver.push.rules import UserRules
from homeserver.push.store.audience import silence_changes
from homeserver.push.store.counts import ByThread, Count, rooms_read
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

    async def shown(
        self, user_nid: int, rooms: Collection[int], *, each_thread: bool
    ) -> Mapping[int, JsonObject]:
        """By room, what is told of what is unread now: of all threads together, or of each."""
        counts = await self._counts.of(user_nid, rooms) if rooms else {}
        return {room: _shown(threads, each_thread) for room, threads in counts.items()}


def _changed_rooms(
    txn: Transaction, user_nid: int, rooms: Sequence[int], after: int, upto: int
) -> Collection[int]:
    silenced = silence_changes(txn, user_nid, after, upto)
    return {*rooms_read(txn, user_nid, rooms, after, upto), *silenced} & set(rooms)


def _shown(counts: ByThread, each_thread: bool) -> JsonObject:
    if not each_thread:
        return {"unread_notifications": _sum(counts.values())}
    shown: JsonObject = {"unread_notifications": _sum([counts[MAIN]] if MAIN in counts else ())}
    threads = {
        thread: _sum([count]) for thread, count in counts.items() if thread != MAIN and count.notify > 0
    }
    return {**shown, "unread_thread_notifications": threads} if threads else shown


def _sum(counts: Collection[Count]) -> JsonObject:
    return {
        "highlight_count": sum(count.highlight for count in counts),
        "notification_count": sum(count.notify for count in counts),
    }
