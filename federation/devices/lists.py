"""Lists of the devices of users elsewhere, kept as long as nothing about them can be missed.

https://spec.matrix.org/v1.19/server-server-api/#device-management
"""

from collections.abc import Iterable, Sequence

import msgspec

from federation.client.devices import RemoteDevice
from federation.devices.keys_of_user import MASTER, SELF_SIGNING
from federation.devices.store import delete_lists, delete_lists_of_room, known_list, replace_list
from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.identifiers import DeviceID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.rooms.appends import Accepted, StateChange
from homeserver.rooms.store.inhabitants import is_inhabited
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

# Of more a list is not kept, as each change writes it anew.
_MOST_DEVICES = 100


class DeviceUpdate(msgspec.Struct):
    """https://spec.matrix.org/v1.19/server-server-api/#mdevice_list_update"""

    user_id: str
    device_id: DeviceID
    stream_id: int
    prev_id: list[int] = []
    deleted: bool = False
    keys: JsonObject = {}
    device_display_name: str | None = None

    def apply(self, txn: Transaction, user_nid: int) -> bool:
        """Changes the list that is kept, or ends it where it is not what the update follows. False for old news."""
        known = known_list(txn, user_nid)
        if known is None:
            return True
        if known.keys is None or not known.stream_id or self._misses(known.stream_id):
            delete_lists(txn, [user_nid])
            return True
        if self.stream_id <= known.stream_id:
            return False
        device = RemoteDevice(self.device_id, {} if self.deleted else self.keys, self.device_display_name)
        known.keys.put_device(UserID(self.user_id), device)
        if len(known.keys.devices) > _MOST_DEVICES:
            delete_lists(txn, [user_nid])
            return True
        replace_list(txn, user_nid, self.stream_id, known.keys)
        return True

    def _misses(self, stream_id: int) -> bool:
        """Whether something may have come between what is known and this."""
        if self.stream_id <= stream_id:
            return False
        return not self.prev_id or max(self.prev_id) > stream_id


class CrossSigningUpdate(msgspec.Struct):
    """https://spec.matrix.org/v1.19/server-server-api/#msigning_key_update"""

    user_id: str
    master_key: JsonObject | None = None
    self_signing_key: JsonObject | None = None

    def apply(self, txn: Transaction, user_nid: int) -> bool:
        """Changes the keys that are kept."""
        known = known_list(txn, user_nid)
        if known is None:
            return True
        if known.keys is None:
            delete_lists(txn, [user_nid])
            return True
        keys = {MASTER: self.master_key, SELF_SIGNING: self.self_signing_key}
        known.keys.put_cross_signing(UserID(self.user_id), keys)
        replace_list(txn, user_nid, known.stream_id, known.keys)
        return True


class UnsharedLists:
    """A projection, after `Inhabitants`: other servers tell of their users only those who share a room with them."""

    def __init__(self, domains: LocalDomains) -> None:
        self._domains = domains

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        left = [
            (event.room, change)
            for event in events
            for change in event.changes
            if change.target is not None and change.membership != "join"
        ]
        # Some of them may still share another room: their lists are asked for once more.
        delete_lists(txn, {change.target for _, change in left if change.target is not None})
        for room in sorted({room for room, change in left if self._may_be_local(change)}):
            if not is_inhabited(txn, room):
                delete_lists_of_room(txn, room)

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        return ()

    def _may_be_local(self, change: StateChange) -> bool:
        return change.user_id is None or self._domains.is_local(change.user_id)
