"""What becomes of keys when devices, or whole accounts, end."""

from datetime import timedelta
from functools import partial

from homeserver.e2ee.device_lists import DeviceLists, KeyOwner
from homeserver.e2ee.store.device_keys import (
    delete_orphans_of,
    orphaned_owners,
    own_device_keys,
    user_id_of,
)
from homeserver.e2ee.store.device_lists import delete_changes_of_ended
from homeserver.e2ee.store.ended import (
    delete_rows_of_devices,
    delete_rows_of_no_device,
    delete_rows_of_user,
    ended_owners,
)
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_CHANGES_KEPT_MS = timedelta(days=365) // timedelta(milliseconds=1)


class DeviceWatch:
    """Told of what happens to devices (a DeviceListener), and looks after what nobody told of.

    The identity keys of a device that is no more are the note that it must still be told of: they are deleted
    together with the telling.
    """

    def __init__(self, db: Database, lists: DeviceLists, clock: Clock) -> None:
        self._db = db
        self._lists = lists
        self._clock = clock

    async def devices_deleted(self, user_nid: int) -> None:
        """Tells of those that had keys."""
        user_id = await self._db.read(user_id_of, user_nid)
        await self._lists.change(KeyOwner(user_id, user_nid), partial(_delete_orphans, user_nid=user_nid))

    async def device_renamed(self, user_nid: int) -> None:
        """Others see the name."""
        user_id = await self._db.read(user_id_of, user_nid)
        await self._lists.change(KeyOwner(user_id, user_nid), partial(_has_keys, user_nid=user_nid))

    async def clean_up(self) -> None:
        """For an hourly task: finds what was left when the program ended too early or was not there."""
        for user_nid, user_id in await self._db.read(orphaned_owners):
            await self._lists.change(KeyOwner(user_id, user_nid), partial(_delete_orphans, user_nid=user_nid))
        await self._db.write(delete_rows_of_no_device)
        for user_nid, user_id in await self._db.read(ended_owners):
            await self._lists.change(KeyOwner(user_id, user_nid), partial(_delete_user, user_nid=user_nid))
        await self._db.write(delete_changes_of_ended, self._clock.now_ms() - _CHANGES_KEPT_MS)


def _delete_orphans(txn: Transaction, user_nid: int) -> bool:
    orphans = delete_orphans_of(txn, user_nid)
    delete_rows_of_devices(txn, orphans)
    return bool(orphans)


def _delete_user(txn: Transaction, user_nid: int) -> bool:
    delete_rows_of_user(txn, user_nid)
    return True


def _has_keys(txn: Transaction, user_nid: int) -> bool:
    return bool(own_device_keys(txn, user_nid))
