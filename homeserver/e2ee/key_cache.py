"""Published keys in memory, as they are shown: those of users whom others look up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from homeserver.e2ee.store.cross_signing import Kind, UserSignature
from homeserver.protocol.identifiers import UserID
from homeserver.storage.cache import ByteBudgetCache

_ENTRY_BYTES = 500


@dataclass(slots=True)
class UserKeys:
    """JSON by device ID and by kind. `whole` is that of all devices together."""

    devices: dict[str, msgspec.Raw] = field(default_factory=dict)
    cross_signing: dict[Kind, msgspec.Raw] = field(default_factory=dict)
    whole: msgspec.Raw = field(default_factory=lambda: msgspec.Raw(b"{}"))

    def size(self) -> int:
        parts = (*self.devices.values(), *self.cross_signing.values(), self.whole)
        return _ENTRY_BYTES + sum(len(bytes(part)) for part in parts)


Signed = Mapping[UserID, UserSignature]
"""What a user signed of others."""


class Generation(NamedTuple):
    """When something was read. What was read before a change is not kept after it."""

    number: int


class KeyCache:
    """Emptied of a user's keys by whatever changes them (`homeserver.e2ee.device_lists`)."""

    def __init__(self, budget: int) -> None:
        """`budget` is in bytes."""
        self._users: ByteBudgetCache[UserID, UserKeys] = ByteBudgetCache(budget * 3 // 4)
        self._signed: ByteBudgetCache[int, Signed] = ByteBudgetCache(budget // 4)
        self.generation = Generation(0)

    def keys_of(self, user_id: UserID) -> UserKeys | None:
        return self._users.get(user_id)

    def signed_by(self, user_nid: int) -> Signed | None:
        return self._signed.get(user_nid)

    def put_keys(self, found: Mapping[UserID, UserKeys], read_in: Generation) -> None:
        if read_in == self.generation:
            for user_id, keys in found.items():
                self._users.put(user_id, keys, keys.size())

    def put_signed(self, user_nid: int, signed: Signed, read_in: Generation) -> None:
        if read_in == self.generation:
            self._signed.put(user_nid, signed, _ENTRY_BYTES * (1 + len(signed)))

    def discard(self, user_id: UserID, *signers: int) -> None:
        """The user's keys, or what these users signed, changed."""
        self.generation = Generation(self.generation.number + 1)
        self._users.discard(user_id)
        for signer in signers:
            self._signed.discard(signer)

    def clear(self) -> None:
        self.generation = Generation(self.generation.number + 1)
        self._users.clear()
        self._signed.clear()
