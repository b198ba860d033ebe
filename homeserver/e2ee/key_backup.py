"""Server-side key backups: keys of rooms, encrypted by the client, for the user's next device.

https://spec.matrix.org/v1.19/client-server-api/#server-side-key-backups
"""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.e2ee.store.backup import (
    BackupKey,
    BackupRow,
    backup,
    backup_keys,
    delete_backup,
    delete_backup_keys,
    insert_backup,
    newest_backup,
    newest_version,
    put_backup_keys,
    quality_of,
    stored_qualities,
    update_auth_data,
    update_counts,
)
from homeserver.protocol.errors import InvalidParam, NotFound, WrongRoomKeysVersion
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.json import JsonObject, encode_json
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_MOST_DIGITS = 18


class KeyPlace(NamedTuple):
    """A user's backup of this version; of it one room, or one session, where named."""

    user_nid: int
    version: str
    room_id: RoomID | None = None
    session_id: str | None = None


class KeyBackup:
    """Nobody waits for changes of backups, so they take no position."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(self, user_nid: int, algorithm: str, auth_data: JsonObject) -> str:
        """The version of the new backup."""
        return str(await self._db.write(_create, user_nid, algorithm, encode_json(auth_data)))

    async def get(self, user_nid: int, version: str | None) -> BackupRow:
        """The newest backup unless a version is named. Raises NotFound."""
        if version is None:
            found = await self._db.read(newest_backup, user_nid)
        else:
            found = await self._db.read(backup, user_nid, _number(version))
        return _existing(found)

    async def update(self, user_nid: int, version: str, algorithm: str, auth_data: JsonObject) -> None:
        """Raises NotFound; InvalidParam where the algorithm is another."""
        await self._db.write(_update, user_nid, _number(version), algorithm, encode_json(auth_data))

    async def delete(self, user_nid: int, version: str) -> None:
        """One that was deleted before is deleted still. Raises NotFound where there never was one."""
        await self._db.write(_delete, user_nid, _number(version))

    async def put_keys(self, place: KeyPlace, keys: Sequence[BackupKey]) -> BackupRow:
        """Stores those that are better than what is there. Raises NotFound, WrongRoomKeysVersion."""
        return await self._db.write(_put_keys, place.user_nid, place.version, keys)

    async def keys(self, place: KeyPlace) -> list[BackupKey]:
        """Raises NotFound where there is no such backup."""
        return await self._db.read(_keys, place, _number(place.version))

    async def delete_keys(self, place: KeyPlace) -> BackupRow:
        """Raises NotFound where there is no such backup."""
        return await self._db.write(_delete_keys, place, _number(place.version))


def _number(version: str) -> int:
    """Raises NotFound for what is no version of any backup."""
    if not (version.isascii() and version.isdigit() and len(version) <= _MOST_DIGITS):
        raise NotFound("There is no such backup")
    return int(version)


def _existing(row: BackupRow | None) -> BackupRow:
    if row is None:
        raise NotFound("There is no such backup")
    return row


def _create(txn: Transaction, user_nid: int, algorithm: str, auth_data: bytes) -> int:
    version = newest_version(txn, user_nid) + 1
    insert_backup(txn, user_nid, version, algorithm, auth_data)
    return version


def _update(txn: Transaction, user_nid: int, version: int, algorithm: str, auth_data: bytes) -> None:
    if _existing(backup(txn, user_nid, version)).algorithm != algorithm:
        raise InvalidParam("A backup keeps its algorithm")
    update_auth_data(txn, user_nid, version, auth_data)


def _delete(txn: Transaction, user_nid: int, version: int) -> None:
    if not 0 < version <= newest_version(txn, user_nid):
        raise NotFound("There is no such backup")
    delete_backup(txn, user_nid, version)


def _put_keys(txn: Transaction, user_nid: int, version: str, keys: Sequence[BackupKey]) -> BackupRow:
    row = _existing(newest_backup(txn, user_nid))
    if version != str(row.version):
        raise WrongRoomKeysVersion("This is not the newest backup", current_version=str(row.version))
    stored = stored_qualities(txn, user_nid, row.version, keys)
    better = []
    for key in keys:
        known = stored.get((key.room_id, key.session_id))
        if known is None or quality_of(key) < known:
            better.append(key)
    put_backup_keys(txn, user_nid, row.version, better)
    new = sum((key.room_id, key.session_id) not in stored for key in better)
    return _counted(txn, user_nid, row, new, changed=bool(better))


def _keys(txn: Transaction, place: KeyPlace, version: int) -> list[BackupKey]:
    _existing(backup(txn, place.user_nid, version))
    return backup_keys(txn, place.user_nid, version, place.room_id, place.session_id)


def _delete_keys(txn: Transaction, place: KeyPlace, version: int) -> BackupRow:
    row = _existing(backup(txn, place.user_nid, version))
    deleted = delete_backup_keys(txn, place.user_nid, version, place.room_id, place.session_id)
    return _counted(txn, place.user_nid, row, -deleted, changed=deleted > 0)


def _counted(txn: Transaction, user_nid: int, row: BackupRow, more: int, *, changed: bool) -> BackupRow:
    if not changed:
        return row
    row = row._replace(etag=row.etag + 1, key_count=row.key_count + more)
    update_counts(txn, user_nid, row)
    return row
