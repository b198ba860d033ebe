"""Account data: what clients keep for their user on the server, for all of the user's devices.

https://spec.matrix.org/v1.19/client-server-api/#client-config
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from homeserver.account_data.store import (
    DELETED,
    ContentKey,
    ContentRow,
    content_of,
    deactivated_owners,
    delete_user,
    supersedes,
    upsert_contents,
)
from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Placed, Position, Topic
from homeserver.streams.last_changed import LastChanged

Change = Callable[[JsonObject], JsonObject]
"""From the stored content ({} if there is none) to the new one. It may be called twice."""


@dataclass(frozen=True, slots=True)
class _Put:
    key: ContentKey
    content: bytes
    rank: int


@dataclass(frozen=True, slots=True)
class _Edit:
    key: ContentKey
    change: Change


class _Puts:
    """How replaced content is stored (an EntryKind): a whole batch in one statement."""

    def __init__(self, changed: LastChanged[int]) -> None:
        self._changed = changed

    def count(self, entry: _Put) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[_Put]]) -> None:
        # One row for each key, because one statement cannot write a row twice on PostgreSQL.
        rows: dict[ContentKey, ContentRow] = {}
        for placed in batch:
            put = placed.entry
            earlier = rows.get(put.key)
            if earlier is None or supersedes(put.rank, earlier.rank):
                rows[put.key] = ContentRow(put.key, put.content, put.rank, placed.position)
        upsert_contents(txn, list(rows.values()))

    def stored(self, batch: Sequence[Placed[_Put]]) -> Iterable[Topic]:
        return _record(self._changed, [(placed.entry.key, placed.position) for placed in batch])


class _Edits:
    """How edited content is stored (an EntryKind): read and written together, so that no edit is lost."""

    def __init__(self, changed: LastChanged[int]) -> None:
        self._changed = changed

    def count(self, entry: _Edit) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[_Edit]]) -> None:
        for placed in batch:
            key = placed.entry.key
            stored = content_of(txn, key)
            content = placed.entry.change({} if stored is None else decode_json(stored))
            upsert_contents(txn, [ContentRow(key, encode_json(content), 0, placed.position)])

    def stored(self, batch: Sequence[Placed[_Edit]]) -> Iterable[Topic]:
        return _record(self._changed, [(placed.entry.key, placed.position) for placed in batch])


def _record(changed: LastChanged[int], keys: Sequence[tuple[ContentKey, Position]]) -> set[Topic]:
    for key, position in keys:
        changed.record(key.user_nid, position)
    return {("user", key.user_nid) for key, _ in keys}


class AccountData:
    """Reads and changes account data. Changes wake the topic ("user", short id)."""

    def __init__(self, db: Database, journal: Journal) -> None:
        self._db = db
        self._journal = journal
        self._changed: LastChanged[int] = LastChanged()
        self._puts = _Puts(self._changed)
        self._edits = _Edits(self._changed)

    def start_at(self, position: int) -> None:
        """Called once the journal has started: changes up to `position` are only in the database."""
        self._changed.start_at(position)

    def changed_after(self, user_nid: int, position: int) -> bool:
        """Whether any of the user's account data may have changed after `position`."""
        return self._changed.after(user_nid, position)

    async def content(self, key: ContentKey) -> bytes | None:
        """The JSON of the content, or None where none was put."""
        return await self._db.read(content_of, key)

    async def forget_deactivated(self) -> None:
        """Deletes what users kept whose accounts have ended."""
        for user_nid in await self._db.read(deactivated_owners):
            await self._db.write(delete_user, user_nid)

    def put(self, key: ContentKey, content: JsonObject, *, rank: int = 0) -> Deferred[Position]:
        """Replaces the content. What only moves forward has a `rank`: lower ones change nothing."""
        return self._journal.append(self._puts, _Put(key, encode_json(content), rank))

    def delete(self, key: ContentKey) -> Deferred[Position]:
        """Deletes the content, whatever its rank; deleting what is not there is fine."""
        return self._journal.append(self._puts, _Put(key, DELETED, rank=0))

    def edit(self, key: ContentKey, change: Change) -> Deferred[Position]:
        """Replaces the content by `change` of what is stored then."""
        return self._journal.append(self._edits, _Edit(key, change))
