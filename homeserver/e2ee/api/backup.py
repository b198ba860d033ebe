"""Client API: key backups.

https://spec.matrix.org/v1.19/client-server-api/#server-side-key-backups
"""

from typing import Annotated

import msgspec

from homeserver.e2ee.key_backup import KeyBackup, KeyPlace
from homeserver.e2ee.store.backup import BackupKey, BackupRow
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import BadJson, InvalidParam, NotFound
from homeserver.protocol.identifiers import MAX_IDENTIFIER_BYTES, RoomID, exceeds_bytes, parse_room_id
from homeserver.protocol.json import MAX_INTEGER, JsonObject

_VERSIONS = "/_matrix/client/(v3|r0|unstable)/room_keys/version"
_KEYS = "/_matrix/client/(v3|r0|unstable)/room_keys/keys"
# A client that begins a backup has thousands of keys to store.
_LARGEST_BODY = 16 * 1024 * 1024

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


class BackupBody(msgspec.Struct, frozen=True):
    algorithm: str
    auth_data: JsonObject


class BackupUpdateBody(msgspec.Struct, frozen=True):
    algorithm: str
    auth_data: JsonObject
    version: str | None = None


class NewBackup(msgspec.Struct, frozen=True):
    version: str


class BackupAnswer(msgspec.Struct, frozen=True):
    algorithm: str
    auth_data: msgspec.Raw
    count: int
    etag: str
    version: str


class KeyData(msgspec.Struct, frozen=True):
    first_message_index: Count
    forwarded_count: Count
    is_verified: bool
    session_data: msgspec.Raw


class RoomKeys(msgspec.Struct, frozen=True):
    sessions: dict[str, KeyData]


class AllKeys(msgspec.Struct, frozen=True):
    rooms: dict[str, RoomKeys]


class VersionQuery(msgspec.Struct, frozen=True):
    version: str


class KeysChanged(msgspec.Struct, frozen=True):
    etag: str
    count: int


class BackupVersionEndpoints:
    """The user's backups."""

    def __init__(self, backup: KeyBackup) -> None:
        self._backup = backup

    @endpoint("POST", _VERSIONS, auth=Auth.USER, limit=Limit.NONE)
    async def create_backup(self, requester: Requester, body: BackupBody) -> NewBackup:
        """Creates a backup, into which keys go from now on."""
        return NewBackup(await self._backup.create(requester.user_nid, body.algorithm, body.auth_data))

    @endpoint("GET", _VERSIONS, auth=Auth.USER, limit=Limit.NONE)
    async def newest_backup(self, requester: Requester) -> BackupAnswer:
        """Tells of the newest backup."""
        return _answer(await self._backup.get(requester.user_nid, None))

    @endpoint("GET", _VERSIONS + "/{version}", auth=Auth.USER, limit=Limit.NONE)
    async def backup(self, requester: Requester, version: str) -> BackupAnswer:
        """Tells of a backup."""
        return _answer(await self._backup.get(requester.user_nid, version))

    @endpoint("PUT", _VERSIONS + "/{version}", auth=Auth.USER, limit=Limit.NONE)
    async def update_backup(self, requester: Requester, version: str, body: BackupUpdateBody) -> JsonObject:
        """Replaces the data by which clients trust a backup."""
        if body.version not in (None, version):
            raise InvalidParam("The versions in path and body differ")
        await self._backup.update(requester.user_nid, version, body.algorithm, body.auth_data)
        return {}

    @endpoint("DELETE", _VERSIONS + "/{version}", auth=Auth.USER, limit=Limit.NONE)
    async def delete_backup(self, requester: Requester, version: str) -> JsonObject:
        """Deletes a backup with its keys."""
        await self._backup.delete(requester.user_nid, version)
        return {}


class BackupKeyEndpoints:
    """The keys in a backup: all of them, those of a room, that of a session."""

    def __init__(self, backup: KeyBackup) -> None:
        self._backup = backup

    @endpoint("PUT", _KEYS, auth=Auth.USER, limit=Limit.NONE, max_body=_LARGEST_BODY)
    async def put_keys(self, requester: Requester, query: VersionQuery, body: AllKeys) -> KeysChanged:
        """Stores keys of several rooms."""
        keys = [
            key
            for room_id, room in body.rooms.items()
            for key in _stored_keys(parse_room_id(room_id), room.sessions)
        ]
        return await self._put(KeyPlace(requester.user_nid, query.version), keys)

    @endpoint("PUT", _KEYS + "/{room_id}", auth=Auth.USER, limit=Limit.NONE, max_body=_LARGEST_BODY)
    async def put_room_keys(
        self, requester: Requester, room_id: RoomID, query: VersionQuery, body: RoomKeys
    ) -> KeysChanged:
        """Stores keys of one room."""
        keys = _stored_keys(room_id, body.sessions)
        return await self._put(KeyPlace(requester.user_nid, query.version), keys)

    @endpoint("PUT", _KEYS + "/{room_id}/{session_id}", auth=Auth.USER, limit=Limit.NONE)
    async def put_session_key(
        self, requester: Requester, room_id: RoomID, session_id: str, query: VersionQuery, body: KeyData
    ) -> KeysChanged:
        """Stores the key of one session."""
        keys = _stored_keys(room_id, {session_id: body})
        return await self._put(KeyPlace(requester.user_nid, query.version), keys)

    @endpoint("GET", _KEYS, auth=Auth.USER, limit=Limit.NONE)
    async def keys(self, requester: Requester, query: VersionQuery) -> AllKeys:
        """Retrieves all keys."""
        rooms: dict[str, RoomKeys] = {}
        for key in await self._backup.keys(KeyPlace(requester.user_nid, query.version)):
            rooms.setdefault(key.room_id, RoomKeys({})).sessions[key.session_id] = _key_data(key)
        return AllKeys(rooms)

    @endpoint("GET", _KEYS + "/{room_id}", auth=Auth.USER, limit=Limit.NONE)
    async def room_keys(self, requester: Requester, room_id: RoomID, query: VersionQuery) -> RoomKeys:
        """Retrieves the keys of one room."""
        keys = await self._backup.keys(KeyPlace(requester.user_nid, query.version, room_id))
        return RoomKeys({key.session_id: _key_data(key) for key in keys})

    @endpoint("GET", _KEYS + "/{room_id}/{session_id}", auth=Auth.USER, limit=Limit.NONE)
    async def session_key(
        self, requester: Requester, room_id: RoomID, session_id: str, query: VersionQuery
    ) -> KeyData:
        """Retrieves the key of one session."""
        keys = await self._backup.keys(KeyPlace(requester.user_nid, query.version, room_id, session_id))
        if not keys:
            raise NotFound("The backup has no key of this session")
        return _key_data(keys[0])

    @endpoint("DELETE", _KEYS, auth=Auth.USER, limit=Limit.NONE)
    async def delete_keys(self, requester: Requester, query: VersionQuery) -> KeysChanged:
        """Deletes all keys."""
        return await self._delete(KeyPlace(requester.user_nid, query.version))

    @endpoint("DELETE", _KEYS + "/{room_id}", auth=Auth.USER, limit=Limit.NONE)
    async def delete_room_keys(
        self, requester: Requester, room_id: RoomID, query: VersionQuery
    ) -> KeysChanged:
        """Deletes the keys of one room."""
        return await self._delete(KeyPlace(requester.user_nid, query.version, room_id))

    @endpoint("DELETE", _KEYS + "/{room_id}/{session_id}", auth=Auth.USER, limit=Limit.NONE)
    async def delete_session_key(
        self, requester: Requester, room_id: RoomID, session_id: str, query: VersionQuery
    ) -> KeysChanged:
        """Deletes the key of one session."""
        return await self._delete(KeyPlace(requester.user_nid, query.version, room_id, session_id))

    async def _put(self, place: KeyPlace, keys: list[BackupKey]) -> KeysChanged:
        return _changed(await self._backup.put_keys(place, keys))

    async def _delete(self, place: KeyPlace) -> KeysChanged:
        return _changed(await self._backup.delete_keys(place))


def _answer(row: BackupRow) -> BackupAnswer:
    return BackupAnswer(
        row.algorithm, msgspec.Raw(row.auth_data), row.key_count, str(row.etag), str(row.version)
    )


def _changed(row: BackupRow) -> KeysChanged:
    return KeysChanged(str(row.etag), row.key_count)


def _stored_keys(room_id: RoomID, sessions: dict[str, KeyData]) -> list[BackupKey]:
    return [_stored_key(room_id, session_id, key) for session_id, key in sessions.items()]


def _stored_key(room_id: RoomID, session_id: str, key: KeyData) -> BackupKey:
    if exceeds_bytes(session_id) or "\0" in session_id:
        raise InvalidParam(f"A session ID may have {MAX_IDENTIFIER_BYTES} bytes, none of them NUL")
    data = bytes(key.session_data)
    if data[:1] != b"{":
        raise BadJson("session_data must be an object")
    return BackupKey(room_id, session_id, key.first_message_index, key.forwarded_count, key.is_verified, data)


def _key_data(key: BackupKey) -> KeyData:
    return KeyData(
        key.first_message_index, key.forwarded_count, key.is_verified, msgspec.Raw(key.session_data)
    )
