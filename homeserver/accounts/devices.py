"""A user's devices, each of which is a session.

https://spec.matrix.org/v1.19/client-server-api/#device-management
"""

from collections.abc import Sequence
from typing import Protocol

from homeserver.accounts.last_seen import LastSeen
from homeserver.accounts.sessions import check_device_name
from homeserver.accounts.store.devices import (
    Device,
    device,
    device_nids,
    device_nids_but,
    devices_of,
    insert_device,
    rename_device,
)
from homeserver.accounts.store.tokens import delete_devices
from homeserver.accounts.token_cache import TokenCache
from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import DeviceID
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


class DeviceListener(Protocol):
    """Told of what others can notice of a user's devices. Implemented by `homeserver.e2ee`."""

    async def devices_deleted(self, user_nid: int) -> None:
        """Some may be gone, with their tokens."""

    async def device_renamed(self, user_nid: int) -> None: ...


class NobodyListens:
    """A DeviceListener where no server runs."""

    async def devices_deleted(self, user_nid: int) -> None:
        """The server finds out by itself, some time later."""

    async def device_renamed(self, user_nid: int) -> None: ...


class AllListen:
    """Several who listen, one after the other."""

    def __init__(self, listeners: Sequence[DeviceListener]) -> None:
        self._listeners = listeners

    async def devices_deleted(self, user_nid: int) -> None:
        for listener in self._listeners:
            await listener.devices_deleted(user_nid)

    async def device_renamed(self, user_nid: int) -> None:
        for listener in self._listeners:
            await listener.device_renamed(user_nid)


class Devices:
    """Lists, names and ends sessions."""

    def __init__(
        self, db: Database, cache: TokenCache, last_seen: LastSeen, listener: DeviceListener
    ) -> None:
        self._db = db
        self._cache = cache
        self._last_seen = last_seen
        self._listener = listener

    async def list(self, user_nid: int) -> list[Device]:
        return [self._up_to_date(one) for one in await self._db.read(devices_of, user_nid)]

    async def get(self, user_nid: int, device_id: DeviceID) -> Device:
        """Raises NotFound."""
        found = await self._db.read(device, user_nid, device_id)
        if found is None:
            raise NotFound("There is no such device")
        return self._up_to_date(found)

    async def rename(self, user_nid: int, device_id: DeviceID, display_name: str) -> None:
        """Raises NotFound, and InvalidParam where the name is too long."""
        check_device_name(display_name)
        if not await self._db.write(rename_device, user_nid, device_id, display_name):
            raise NotFound("There is no such device")
        await self._listener.device_renamed(user_nid)

    async def create(self, user_nid: int, device_id: DeviceID, display_name: str | None) -> bool:
        """A device without a session, for an application service (MSC4190); False where it is there already.

        Raises InvalidParam where the name is too long.
        """
        check_device_name(display_name)
        return await self._db.write(insert_device, user_nid, device_id, display_name)

    async def delete(self, user_nid: int, device_ids: Sequence[DeviceID]) -> None:
        """Ends these sessions; those that the user does not have are passed over."""
        self._cache.forget(await self._db.write(_delete, user_nid, device_ids))
        await self._listener.devices_deleted(user_nid)

    async def delete_all(self, user_nid: int) -> None:
        self._cache.forget(await self._db.write(_delete_all, user_nid))
        await self._listener.devices_deleted(user_nid)

    def _up_to_date(self, stored: Device) -> Device:
        seen = self._last_seen.of(stored.nid)
        if seen is None:
            return stored
        return stored._replace(last_seen_at=seen.at, last_seen_ip=seen.ip, last_seen_agent=seen.user_agent)


def _delete(txn: Transaction, user_nid: int, device_ids: Sequence[DeviceID]) -> Sequence[bytes]:
    return delete_devices(txn, device_nids(txn, user_nid, device_ids))


def _delete_all(txn: Transaction, user_nid: int) -> Sequence[bytes]:
    return delete_devices(txn, device_nids_but(txn, user_nid, None))
