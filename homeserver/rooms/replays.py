"""Requests made before are recognised in memory, before anything is built on a head that they will not move."""

from collections.abc import Iterable, Sequence

from homeserver.protocol.identifiers import EventID
from homeserver.rooms.appends import Accepted
from homeserver.rooms.store.transactions import TransactionKey, made_events
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

_ROW_BYTES = 300
_LATEST = 100
"""Transaction IDs that are remembered of a device. Clients repeat what they did not hear the answer of."""

_Made = dict[TransactionKey, EventID]


class Replays:
    """A projection without a table: the latest transaction IDs of the devices that send at the moment.

    It may miss one. Such a replay is recognised when it is stored; but by then the events of others are built
    on it, and have to be built again.
    """

    def __init__(self, db: Database, budget: int) -> None:
        """`budget` is in bytes."""
        self._db = db
        self._by_device: ByteBudgetCache[int, _Made] = ByteBudgetCache(budget)

    async def made(self, key: TransactionKey) -> EventID | None:
        """The event that the transaction ID made, if it is known to have made one."""
        made = self._by_device.get(key.device)
        if made is None:
            # A device that is new here may be about to repeat what an earlier process did not answer.
            made = await self._db.read(made_events, [key])
            self._keep(key.device, made)
        return made.get(key)

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Nothing to write."""

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        for accepted in events:
            key = accepted.transaction
            made = None if key is None else self._by_device.get(key.device)
            if key is not None and made is not None:
                made[key] = accepted.event.event_id
                if len(made) > _LATEST:
                    del made[next(iter(made))]
                self._keep(key.device, made)
        return ()

    def _keep(self, device: int, made: _Made) -> None:
        self._by_device.put(device, made, _ROW_BYTES * (len(made) + 1))
