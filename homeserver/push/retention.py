"""The end of what is kept about notifications."""

from datetime import timedelta

from homeserver.push.store.audience import delete_default_audience, delete_unused_rulesets
from homeserver.push.store.events import delete_old, delete_without_events
from homeserver.push.store.rules import delete_rules_of_deactivated
from homeserver.push.unread import UnreadCounts
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

KEPT = timedelta(days=90)
"""For how long an event counts as unread, and is listed among the notifications."""

_BATCH = 1_000


class OldNotifications:
    def __init__(self, db: Database, unread: UnreadCounts, clock: Clock) -> None:
        self._db = db
        self._unread = unread
        self._clock = clock

    async def forget(self) -> None:
        before_ms = self._clock.now_ms() - int(KEPT.total_seconds() * 1000)
        while await self._db.write(delete_old, before_ms, _BATCH) == _BATCH:
            pass
        await self._db.write(_delete_unused)
        # Or it would still count what is gone.
        self._unread.forget_all()


def _delete_unused(txn: Transaction) -> None:
    oldest = delete_without_events(txn)
    delete_default_audience(txn, oldest)
    delete_unused_rulesets(txn)
    delete_rules_of_deactivated(txn)
