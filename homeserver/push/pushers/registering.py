"""Users' pushers: set, listed and removed.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3pushersset
"""

import logging
from collections.abc import Collection, Mapping, Sequence

from homeserver.http.requester import Requester
from homeserver.protocol.errors import (
    ExpiredActivationToken,
    InvalidParam,
    LimitExceeded,
    NotFound,
    UnknownActivationToken,
)
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import encode_json
from homeserver.push.pushers.carrier import Gone, NotTaken, PusherKind
from homeserver.push.pushers.lines import Lines
from homeserver.push.store.pushers import (
    NewPusher,
    Pusher,
    activate,
    delete_pushers,
    device_of_pusher,
    pushers_named,
    pushers_of,
    pushers_without_session,
    upsert_pusher,
)
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.tasks import run_in_background
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import current_position

log = logging.getLogger(__name__)

_MOST_DATA = 16_384
_MOST_PUSHERS = 100
_TOKEN_LENGTH = 32
_ACTIVATION_MS = 5 * 60 * 1000
_NEVER_ACTIVATED_MS = 24 * 3600 * 1000


class Pushers:
    """What clients do with pushers."""

    def __init__(
        self,
        kinds: Mapping[str, PusherKind],
        lines: Lines,
        db: Database,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        """By their names."""
        self._kinds = kinds
        self._lines = lines
        self._db = db
        self._clock = clock
        self._randomness = randomness

    async def of(self, user_nid: int) -> Sequence[Pusher]:
        return (await self._db.read(pushers_of, [user_nid]))[user_nid]

    async def set(self, requester: Requester, new: NewPusher, *, append: bool) -> bool:
        """Whether the pusher is active, and need not be activated first.

        Without `append` other users' pushers with the same app and key end. Raises InvalidParam, LimitExceeded where
        a user has too many, and what the kind says.
        """
        kind = self._kinds.get(new.kind)
        if kind is None:
            raise InvalidParam(f"The kind of a pusher must be one of {', '.join(self._kinds)}")
        await kind.check(requester.user_nid, new)
        if len(encode_json(new.data)) > _MOST_DATA:
            raise InvalidParam(f"data may have {_MOST_DATA} bytes")
        now_ms = self._clock.now_ms()
        if kind.is_activated:
            new = new._replace(
                activation=self._randomness.token(_TOKEN_LENGTH), activation_ends_at=now_ms + _ACTIVATION_MS
            )
        stored, changed = await self._db.write(_set, requester.user_nid, new, now_ms, append=append)
        await self._changed(changed)
        if stored.activation is not None:
            sending = self._send_activation(kind, requester.user_nid, stored, stored.activation)
            run_in_background("activation of a pusher", sending)
        return stored.activation is None

    async def add(self, user_nid: int, new: NewPusher) -> None:
        """What the server does for a user by itself. Raises LimitExceeded."""
        _, changed = await self._db.write(_set, user_nid, new, self._clock.now_ms(), append=True)
        await self._changed(changed)

    async def remove_of(self, user_id: UserID, app_id: str, pushkey: str) -> None:
        """The same as `remove`."""
        for pusher in await self._db.read(pushers_named, app_id, pushkey):
            if pusher.user_id == user_id:
                await self.remove(pusher.user_nid, app_id, pushkey)

    async def activate(self, user_nid: int, app_id: str, token: str) -> None:
        """The client has got the token. Raises NotFound, UnknownActivationToken, ExpiredActivationToken."""
        await self._db.write(_activate, user_nid, app_id, token, self._clock.now_ms())
        await self._lines.changed(user_nid)

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

    async def _send_activation(self, kind: PusherKind, user_nid: int, pusher: NewPusher, token: str) -> None:
        """Once: the client sets the pusher again where it waits in vain."""
        try:
            await kind.activate(pusher, token)
        except NotTaken as error:
            log.info("a pusher could not be activated: %s", error)
        except Gone:
            await self.remove(user_nid, pusher.app_id, pusher.pushkey)

    async def _changed(self, users: Collection[int]) -> None:
        for user_nid in users:
            await self._lines.changed(user_nid)


def _set(
    txn: Transaction, user_nid: int, new: NewPusher, now_ms: int, *, append: bool
) -> tuple[NewPusher, set[int]]:
    """What is stored, and the users whose pushers have changed."""
    named = pushers_named(txn, new.app_id, new.pushkey)
    stored = next((pusher for pusher in named if pusher.user_nid == user_nid), None)
    others = [pusher for pusher in named if pusher.user_nid != user_nid]
    if stored is None and len(pushers_of(txn, [user_nid])[user_nid]) >= _MOST_PUSHERS:
        raise LimitExceeded(f"A user may have {_MOST_PUSHERS} pushers", retry_after_ms=3_600_000)
    if stored is not None:
        new = _as_before(txn, stored, new)
    upsert_pusher(txn, user_nid, new, now_ms, current_position(txn))
    if append:
        return new, {user_nid}
    delete_pushers(txn, [pusher.nid for pusher in others])
    return new, {user_nid} | {pusher.user_nid for pusher in others}


def _as_before(txn: Transaction, stored: Pusher, new: NewPusher) -> NewPusher:
    """With what stays as it was."""
    if stored.enabled != new.enabled and stored.data == new.data:
        # Another session switches it on or off (MSC3881); it stays that of its own.
        new = new._replace(device_nid=device_of_pusher(txn, stored.nid) or new.device_nid)
    where = [data.get(name) for data in (stored.data, new.data) for name in ("url", "auth")]
    if stored.kind == new.kind and stored.activation is None and where[:2] == where[2:]:
        new = new._replace(activation=None, activation_ends_at=None)
    return new


def _activate(txn: Transaction, user_nid: int, app_id: str, token: str, now_ms: int) -> None:
    pushers = [one for one in pushers_of(txn, [user_nid])[user_nid] if one.app_id == app_id]
    if not pushers:
        raise NotFound("There is no pusher of this app")
    waiting = next((one for one in pushers if one.activation == token), None)
    if waiting is None:
        raise UnknownActivationToken("No pusher of this app waits for this token")
    if waiting.activation_ends_at is not None and waiting.activation_ends_at < now_ms:
        raise ExpiredActivationToken("This token has expired; set the pusher again")
    activate(txn, waiting.nid, current_position(txn))


def _remove(txn: Transaction, user_nid: int, app_id: str, pushkey: str) -> set[int]:
    nids = [one.nid for one in pushers_named(txn, app_id, pushkey) if one.user_nid == user_nid]
    delete_pushers(txn, nids)
    return {user_nid} if nids else set()


def _remove_ended(txn: Transaction, now_ms: int, user_nid: int | None) -> set[int]:
    ended = pushers_without_session(txn, now_ms - _NEVER_ACTIVATED_MS, user_nid)
    delete_pushers(txn, [pusher.nid for pusher in ended])
    return {pusher.user_nid for pusher in ended}
