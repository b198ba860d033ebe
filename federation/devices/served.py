"""What other servers may know of the devices and keys of users here.

https://spec.matrix.org/v1.19/server-server-api/#device-management and #end-to-end-encryption
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from federation.outgoing.told_devices import told_devices
from homeserver.accounts.domains import LocalDomains
from homeserver.e2ee.key_claims import KeyClaims
from homeserver.e2ee.key_lookup import KeyLookup
from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.identifiers import UserID, parse_user_id
from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary


class ServedDevice(NamedTuple):
    """`keys` are without what is not signed."""

    device_id: str
    keys: JsonObject
    display_name: str | None


class ServedList(NamedTuple):
    """`stream_id` is that of the newest change of which other servers were told."""

    stream_id: int
    devices: Sequence[ServedDevice]
    master_key: JsonObject | None
    self_signing_key: JsonObject | None


class ServedQuery(NamedTuple):
    """As in the answer of /user/keys/query."""

    device_keys: JsonObject
    master_keys: JsonObject
    self_signing_keys: JsonObject


class ServedKeys:
    """Any server may ask, as its users may want to write to somebody before they share a room."""

    def __init__(
        self,
        lookup: KeyLookup,
        claims: KeyClaims,
        users: Dictionary[UserID],
        domains: LocalDomains,
        db: Database,
        *,
        shows_names: bool,
    ) -> None:
        self._lookup = lookup
        self._claims = claims
        self._users = users
        self._domains = domains
        self._db = db
        self._shows_names = shows_names

    async def devices(self, user_id: str) -> ServedList:
        """All devices of a user that have keys. Raises InvalidParam for users of other servers."""
        user = self._local(user_id)
        user_nid = await self._users.find(user)
        # First the number: what changes meanwhile is told of later, as what follows this number.
        stream_id = 0 if user_nid is None else (await self._db.read(told_devices, user_nid)).stream_id
        found = await self.query({user: []})
        devices = [
            ServedDevice(device_id, _without_unsigned(keys), _name(keys))
            for device_id, keys in found.device_keys[user].items()
        ]
        return ServedList(stream_id, devices, found.master_keys.get(user), found.self_signing_keys.get(user))

    async def query(self, wish: Mapping[str, Sequence[str]]) -> ServedQuery:
        """Keys of these devices, of all where none are named, with the signatures of their owners only.

        Raises InvalidParam for users of other servers.
        """
        found = await self._lookup.local({self._local(user): devices for user, devices in wish.items()}, None)
        return ServedQuery(
            {user: self._shown(_decoded(devices)) for user, devices in found.device_keys.items()},
            {user: _decoded(key) for user, key in found.master_keys.items()},
            {user: _decoded(key) for user, key in found.self_signing_keys.items()},
        )

    async def claim(self, wish: Mapping[str, Mapping[str, str]]) -> JsonObject:
        """One key of the named algorithm for each device that has one.

        Raises InvalidParam for users of other servers.
        """
        return await self._claims.claim_local({self._local(user): asked for user, asked in wish.items()})

    def _local(self, user_id: str) -> UserID:
        user = parse_user_id(user_id)
        if not self._domains.is_local(user):
            raise InvalidParam(f"{user} is not of this server")
        return user

    def _shown(self, devices: JsonObject) -> JsonObject:
        """The names of devices are not for everybody."""
        if self._shows_names:
            return devices
        return {device_id: _without_unsigned(keys) for device_id, keys in devices.items()}


def _decoded(value: msgspec.Raw | JsonObject) -> JsonObject:
    """With everything in it, which may be Raw too."""
    decoded: JsonObject = decode_json(encode_json(value))
    return decoded


def _without_unsigned(keys: JsonObject) -> JsonObject:
    return {name: value for name, value in keys.items() if name != "unsigned"}


def _name(keys: JsonObject) -> str | None:
    name: str | None = keys.get("unsigned", {}).get("device_display_name")
    return name
