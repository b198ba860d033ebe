"""Dehydrated devices: they receive keys while their user is logged out everywhere (MSC3814).

https://github.com/matrix-org/matrix-spec-proposals/pull/3814
"""

import re
from functools import partial
from typing import NamedTuple

from homeserver.accounts.sessions import check_device_name
from homeserver.accounts.store.devices import device_nids, upsert_device
from homeserver.accounts.store.tokens import delete_devices
from homeserver.e2ee.device_lists import DeviceLists, KeyOwner
from homeserver.e2ee.key_upload import Upload
from homeserver.e2ee.new_keys import store_additions
from homeserver.e2ee.store.dehydration import DehydratedDevice, dehydrated_device, put_dehydrated_device
from homeserver.e2ee.store.device_keys import delete_orphans_of
from homeserver.e2ee.store.ended import delete_rows_of_devices
from homeserver.e2ee.to_device import LARGEST_BATCH, Delivery, read_messages
from homeserver.protocol.errors import Forbidden, InvalidParam, NotFound
from homeserver.protocol.identifiers import DeviceID
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal

_TOKEN = re.compile("d[0-9]{1,18}")


class NewDehydratedDevice(NamedTuple):
    """`data` is JSON."""

    device_id: DeviceID
    display_name: str | None
    data: bytes
    keys: Upload


class DehydratedDevices:
    """Each user has one at most. It is a device like others, but for having no session."""

    def __init__(self, db: Database, journal: Journal, lists: DeviceLists) -> None:
        self._db = db
        self._journal = journal
        self._lists = lists

    async def put(self, owner: KeyOwner, new: NewDehydratedDevice) -> None:
        """Replaces the one that there was. Raises InvalidParam, BadJson, Forbidden."""
        check_device_name(new.display_name)
        new.keys.check(owner.user_id, new.device_id)
        await self._lists.change(owner, partial(_put, owner=owner, new=new))

    async def get(self, user_nid: int) -> DehydratedDevice:
        """Raises NotFound."""
        found = await self._db.read(dehydrated_device, user_nid)
        if found is None:
            raise NotFound("There is no dehydrated device")
        return found

    async def delete(self, owner: KeyOwner) -> DeviceID:
        """The ID that it had. Raises NotFound."""
        device = await self.get(owner.user_nid)
        await self._lists.change(owner, partial(_delete, owner=owner, device=device))
        return device.device_id

    async def messages(
        self, user_nid: int, device_id: str, start: str | None, limit: int = LARGEST_BATCH
    ) -> Delivery:
        """Messages after a token; they stay. Raises Forbidden where it is not that device, InvalidParam."""
        if start is not None and _TOKEN.fullmatch(start) is None:
            raise InvalidParam("This is no token of a batch of messages")
        device = await self._db.read(dehydrated_device, user_nid)
        if device is None or device.device_id != device_id:
            raise Forbidden("This is not your dehydrated device")
        after = 0 if start is None else int(start[1:])
        return await self._db.read(read_messages, device.device_nid, after, self._journal.position, limit)


def _put(txn: Transaction, owner: KeyOwner, new: NewDehydratedDevice) -> bool:
    old = dehydrated_device(txn, owner.user_nid)
    if old is not None:
        _delete(txn, owner, old)
    if device_nids(txn, owner.user_nid, [new.device_id]):
        raise Forbidden("The ID is that of another device")
    nid = upsert_device(txn, owner.user_nid, new.device_id, new.display_name, None)
    put_dehydrated_device(txn, owner.user_nid, DehydratedDevice(nid, new.device_id, new.data))
    new.keys.publish(txn, owner, nid, new.device_id)
    addition = new.keys.addition(nid)
    store_additions(txn, [addition])
    if addition.refused is not None:
        raise addition.refused
    return True


def _delete(txn: Transaction, owner: KeyOwner, device: DehydratedDevice) -> bool:
    # It has no tokens, so nobody must be told of these.
    delete_devices(txn, [device.device_nid])
    delete_rows_of_devices(txn, [device.device_nid])
    delete_orphans_of(txn, owner.user_nid)
    return True
