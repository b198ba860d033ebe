"""Users' pushers: set, listed and removed.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3pushersset
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from homeserver.http.requester import Requester
from homeserver.protocol.errors import InvalidParam, LimitExceeded
from homeserver.protocol.json import JsonObject, encode_json
from homeserver.push.pushers.lines import Lines
from homeserver.push.store.pushers import (
    NewPusher,
    Pusher,
    delete_pushers,
    device_of_pusher,
    pushers_named,
    pushers_of,
    pushers_without_session,
    upsert_pusher,
)
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import current_position

_MOST_DATA = 16_384
_MOST_PUSHERS = 100

Check = Callable[[JsonObject], None]
"""Raises a MatrixError where the data are not right for the kind."""


class Pushers:
    """What clients do with pushers."""

    def __init__(self, kinds: Mapping[str, Check], lines: Lines, db: Database, clock: Clock) -> None:
        self._kinds = kinds
        self._lines = lines
        self._db = db
        self._clock = clock

    async def of(self, user_nid: int) -> Sequence[Pusher]:
        return (await self._db.read(pushers_of, [user_nid]))[user_nid]

    async def set(self, requester: Requester, new: NewPusher, *, append: bool) -> None:
        """Without `append` other users' pushers with the same app and key end.

        Raises InvalidParam, LimitExceeded where a user has too many, and what the kind says.
        """
        check = self._kinds.get(new.kind)
        if check is None:
            raise InvalidParam(f"The kind of a pusher must be one of {', '.join(self._kinds)}")
        check(new.data)
        if len(encode_json(new.data)) > _MOST_DATA:
            raise InvalidParam(f"data may have {_MOST_DATA} bytes")
        changed = await self._db.write(_set, requester.user_nid, new, self._clock.now_ms(), append=append)
        await self._changed(changed)

    async def remove(self, user_nid: int, app_id: str, pushkey: str) -> None:
        """Nothing happens where there is none."""
        await self._changed(await self._db.write(_remove, user_nid, app_id, pushkey))

    async def devices_deleted(self, user_nid: int) -> None:
        """Some of the user's sessions may have ended."""
        await self._changed(await self._db.write(_remove_ended, self._clock.now_ms(), user_nid))

    async def device_renamed(self, user_nid: int) -> None:
        """A pusher keeps the name that its client gave it."""

    async def remove_ended(self) -> None:
        """For an hourly task: those that ended while nobody was told."""
        await self._changed(await self._db.write(_remove_ended, self._clock.now_ms(), None))

    async def _changed(self, users: Collection[int]) -> None:
        for user_nid in users:
            await self._lines.changed(user_nid)


def _set(txn: Transaction, user_nid: int, new: NewPusher, now_ms: int, *, append: bool) -> set[int]:
    """The users whose pushers have changed."""
    named = pushers_named(txn, new.app_id, new.pushkey)
    stored = next((pusher for pusher in named if pusher.user_nid == user_nid), None)
    others = [pusher for pusher in named if pusher.user_nid != user_nid]
    if stored is None and len(pushers_of(txn, [user_nid])[user_nid]) >= _MOST_PUSHERS:
        raise LimitExceeded(f"A user may have {_MOST_PUSHERS} pushers", retry_after_ms=3_600_000)
    if stored is not None and stored.enabled != new.enabled and stored.data == new.data:
        # Another session switches it on or off (MSC3881); it stays that of its own.
        new = new._replace(device_nid=device_of_pusher(txn, stored.nid) or new.device_nid)
    upsert_pusher(txn, user_nid, new, now_ms, current_position(txn))
    if append:
        return {user_nid}
    delete_pushers(txn, [pusher.nid for pusher in others])
    return {user_nid} | {pusher.user_nid for pusher in others}


def _remove(txn: Transaction, user_nid: int, app_id: str, pushkey: str) -> set[int]:
    nids = [one.nid for one in pushers_named(txn, app_id, pushkey) if one.user_nid == user_nid]
    delete_pushers(txn, nids)
    return {user_nid} if nids else set()


def _remove_ended(txn: Transaction, now_ms: int, user_nid: int | None) -> set[int]:
    ended = pushers_without_session(txn, now_ms, user_nid)
    delete_pushers(txn, [pusher.nid for pusher in ended])
    return {pusher.user_nid for pusher in ended}
