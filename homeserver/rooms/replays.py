"""Requests that were made before: found in memory, before anything is built on a head that will not move."""

from collections.abc import Iterable, Sequence

from homeserver.protocol.identifiers import EventID
from homeserver.rooms.ingest import Accepted
from homeserver.rooms.store.transactions import TransactionKey, transactions_of
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

_ROW_BYTES = 300

_Made = dict[TransactionKey, EventID]


class Replays:
    """A projection without a table: the transaction IDs of the devices that send at the moment.

    It may miss one (another process's, for instance). Such a replay is recognised when it is stored; but by then
    events of other senders are built on it, and have to be built again.
    """

    def __init__(self, db: Database, budget: int) -> None:
        """`budget` is in bytes."""
        self._db = db
        self._by_device: ByteBudgetCache[int, _Made] = ByteBudgetCache(budget)

    async def made(self, key: TransactionKey) -> EventID | None:
        """The event that the transaction ID made, if it has made one. One query for each device that begins to send."""
        made = self._by_device.get(key.device)
        if made is None:
            made = await self._db.read(transactions_of, key.device)
            self._keep(key.device, made)
        return made.get(key)

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Nothing to write."""

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        for accepted in events:
            key = accepted.transaction
            if key is None:
                continue
            made = self._by_device.get(key.device)
            if made is not None:
                made[key] = accepted.event.event_id
                self._keep(key.device, made)
        return ()

    def _keep(self, device: int, made: _Made) -> None:
        self._by_device.put(device, made, _ROW_BYTES * (len(made) + 1))
