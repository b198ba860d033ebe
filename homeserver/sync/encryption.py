"""What /sync tells of end-to-end encryption: messages to the device, device lists, how many keys are left."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from homeserver.e2ee.device_list_news import DeviceListNews, ListNews, ListWork, read_lists
from homeserver.e2ee.key_stock import KeyStock, Stock
from homeserver.e2ee.to_device import Delivery, ToDevice, has_old_messages, read_messages
from homeserver.http.requester import Requester
from homeserver.protocol.json import JsonObject
from homeserver.rooms.store.members import MemberRow
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


@dataclass(slots=True)
class EncryptionParts:
    """`messages` is None where none was looked for, `stock` for who has no device."""

    messages: Delivery | None = None
    lists: ListNews = field(default_factory=ListNews)
    stock: Stock | None = None

    def is_empty(self) -> bool:
        """Whether there is nothing to tell. The stock of keys is no news."""
        return not (self.messages is not None and self.messages.events) and self.lists.is_empty()

    def received(self, position: int) -> int:
        """Up to where the client has all messages, once it has this answer up to `position`."""
        return position if self.messages is None else self.messages.upto

    def body(self) -> JsonObject:
        """https://spec.matrix.org/v1.19/client-server-api/#e2e-extensions-to-sync"""
        body: JsonObject = {}
        if self.messages is not None and self.messages.events:
            body["to_device"] = {"events": self.messages.events}
        if not self.lists.is_empty():
            body["device_lists"] = {"changed": self.lists.changed, "left": self.lists.left}
        if self.stock is not None:
            # COMPAT(synapse): clients exist that take a count that is not told for one that did not change.
            body["device_one_time_keys_count"] = {"signed_curve25519": 0, **self.stock.counts}
            body["device_unused_fallback_key_types"] = self.stock.unused_fallback
            body["org.matrix.msc2732.device_unused_fallback_key_types"] = self.stock.unused_fallback
        return body


class EncryptionNews:
    """Looks in memory first; there is nothing to read where nothing is new."""

    def __init__(
        self, db: Database, to_device: ToDevice, device_lists: DeviceListNews, stock: KeyStock
    ) -> None:
        self._db = db
        self._to_device = to_device
        self._device_lists = device_lists
        self._stock = stock

    async def everything(self, requester: Requester, upto: int) -> EncryptionParts:
        """For a client that knows nothing: all messages that wait. Of device lists it must ask."""
        return await self._read(requester, 0, upto, None)

    async def after(
        self, requester: Requester, rooms: Mapping[int, MemberRow], since: int, received: int, upto: int
    ) -> EncryptionParts:
        """What is new after the position `since`; of messages to the device, after `received`."""
        lists = self._device_lists.after(since, upto, requester.user_nid, rooms)
        device = requester.device_nid
        if lists is None and (device is None or not self._to_device.waits_after(device, received)):
            return EncryptionParts()
        if lists is None and device is not None:
            remembered = self._to_device.remembered(device, received, upto)
            if remembered is not None:
                self._to_device.handed_out(device, remembered.upto if remembered.events else 0)
                return EncryptionParts(remembered)
        return await self._read(requester, received, upto, lists)

    async def _read(
        self, requester: Requester, received: int, upto: int, lists: ListWork | None
    ) -> EncryptionParts:
        device = requester.device_nid
        parts, has_old = await self._db.read(_read, device, received, upto, lists)
        if device is not None and parts.messages is not None:
            if has_old:
                self._to_device.delete(device, received)
            self._to_device.handed_out(device, parts.messages.upto if parts.messages.events else 0)
        return parts

    def received(self, requester: Requester, position: int) -> None:
        """The client came back with a token that says it has all messages up to a position."""
        if requester.device_nid is not None:
            self._to_device.received(requester.device_nid, position)

    async def add_stock(self, requester: Requester, parts: EncryptionParts) -> None:
        """What every answer tells."""
        if requester.device_nid is not None:
            parts.stock = await self._stock.of(requester.device_nid)


def _read(
    txn: Transaction, device: int | None, received: int, upto: int, lists: ListWork | None
) -> tuple[EncryptionParts, bool]:
    parts = EncryptionParts()
    has_old = False
    if device is not None:
        parts.messages = read_messages(txn, device, received, upto)
        has_old = has_old_messages(txn, device, received)
    if lists is not None:
        parts.lists = read_lists(txn, lists)
    return parts, has_old
