"""Messages that are older than their room keeps them: hidden at once, and their content deleted after a while.

MSC1763. Of a deleted message remains what a redaction leaves, so that the room's graph stays whole.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from config.retention import PurgeJob, Retention
from homeserver.protocol.events import from_stored, stored_forms
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.protocol.redaction import redact_event
from homeserver.protocol.room_versions import room_version
from homeserver.rooms.appends import Accepted
from homeserver.rooms.store.expiry import (
    ExpiredEvent,
    RoomPolicy,
    begin_again,
    expired_messages,
    newest_time,
    note_late,
    policies_after,
    policies_of,
    set_expired_upto,
)
from homeserver.rooms.store.redacted_content import end_retention, replace_bodies
from homeserver.rooms.tails import Tails
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

log = logging.getLogger(__name__)

RETENTION = ("m.room.retention", "")
_ROOMS = 200
_BATCH = 100
"""Events in one transaction, so that nobody waits long behind it."""
_LATE_MS = 60_000
_FIRST = -(2**62)
"""Before every short id."""


class Forgetting(Protocol):
    """A read model that has something of what events say."""

    def forget(self, txn: Transaction, events: Sequence[int]) -> None:
        """Drops what came of the content of events, which are named by their short ids."""


class Expiry:
    """Says what is expired. Nothing is, unless the operator wants it."""

    def __init__(self, settings: Retention, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    @property
    def enabled(self) -> bool:
        return self._settings.enabled

    def oldest(self, policy: JsonObject | None) -> int:
        """The time before which messages are expired in a room with such a policy; 0 where none are."""
        lifetime = self.lifetime(policy)
        return 0 if lifetime is None else self._clock.now_ms() - _ms(lifetime)

    def oldest_of(self, txn: Transaction, rooms: Collection[int]) -> Mapping[int, int]:
        """The same by room, by short id. Costs a statement where messages expire at all."""
        if not self.enabled or not rooms:
            return {}
        return {row.room: self.oldest(_content(row)) for row in policies_of(txn, rooms)}

    def may_be_expired(self, timestamp: int) -> bool:
        """Whether a message of that time can be expired in any room."""
        shortest = self._settings.allowed_lifetime_min or timedelta(0)
        return self.enabled and timestamp < self._clock.now_ms() - _ms(shortest)

    def lifetime(self, policy: JsonObject | None) -> timedelta | None:
        """How long a room with the content of an m.room.retention keeps messages; None is for ever."""
        if not self.enabled:
            return None
        wanted = None if policy is None else policy.get("max_lifetime")
        if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted >= 0:
            # Beyond any calendar is as good as the end of it.
            lifetime = timedelta(milliseconds=min(wanted, _ms(timedelta(days=100_000))))
        elif self._settings.default_max_lifetime is not None:
            lifetime = self._settings.default_max_lifetime
        else:
            return None
        shortest, longest = self._settings.allowed_lifetime_min, self._settings.allowed_lifetime_max
        if shortest is not None:
            lifetime = max(lifetime, shortest)
        return lifetime if longest is None else min(lifetime, longest)


class ExpiredMessages:
    """Deletes the content of expired messages. Also the projection that notices those that come late."""

    def __init__(
        self, db: Database, clock: Clock, expiry: Expiry, tails: Tails, forgetting: Sequence[Forgetting]
    ) -> None:
        self._db = db
        self._clock = clock
        self._expiry = expiry
        self._tails = tails
        self._forgetting = forgetting

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        if not self._expiry.enabled:
            return
        before = self._clock.now_ms() - _LATE_MS
        late = [
            (event.room, event.event.origin_server_ts)
            for event in events
            if event.event.origin_server_ts < before
        ]
        if late:
            note_late(txn, late)

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """Nobody waits for it."""
        return ()

    async def purge(self, job: PurgeJob) -> None:
        """Goes through all rooms; costs a look at each and what is expired since the last time."""
        rooms = await self._db.read(policies_after, 0, _ROOMS)
        while rooms:
            for room in rooms:
                lifetime = self._expiry.lifetime(_content(room))
                if lifetime is not None and _is_for(job, lifetime):
                    await self._purge_room(room, self._clock.now_ms() - _ms(lifetime))
            rooms = await self._db.read(policies_after, rooms[-1].room, _ROOMS)

    async def _purge_room(self, room: RoomPolicy, before: int) -> None:
        place = (await self._db.write(begin_again, room.room), _FIRST)
        if place[0] >= before:
            return
        while (end := await self._db.write(self._drop_batch, room, place, before)) is not None:
            place = end
        await self._db.write(_settle, room.room, before)
        # What it holds in memory is as it was sent.
        self._tails.discard(room.room)

    def _drop_batch(
        self, txn: Transaction, room: RoomPolicy, after: tuple[int, int], before: int
    ) -> tuple[int, int] | None:
        """Empties messages after one, given by time and short id; the last of them, None where there are no more."""
        events = expired_messages(txn, room.room, after, before, _BATCH)
        if not events:
            return None
        replace_bodies(txn, [(event.nid, *forms) for event in events if (forms := _emptied(event, room))])
        nids = [event.nid for event in events]
        end_retention(txn, nids)
        for read_model in self._forgetting:
            read_model.forget(txn, nids)
        return events[-1].origin_server_ts, events[-1].nid


def _settle(txn: Transaction, room: int, before: int) -> None:
    # The newest event stays, and has its turn when it is no longer the newest.
    set_expired_upto(txn, room, min(before, newest_time(txn, room)))


def _content(row: RoomPolicy) -> JsonObject | None:
    content = None if row.policy is None else decode_json(row.policy).get("content")
    return content if isinstance(content, dict) else None


def _is_for(job: PurgeJob, lifetime: timedelta) -> bool:
    if job.shortest_max_lifetime is not None and lifetime <= job.shortest_max_lifetime:
        return False
    return job.longest_max_lifetime is None or lifetime <= job.longest_max_lifetime


def _emptied(row: ExpiredEvent, room: RoomPolicy) -> tuple[bytes, bytes] | None:
    try:
        event = from_stored(row.client, row.federation, room.room_id, room_version(room.version))
        return stored_forms(redact_event(event))
    except (ValueError, LookupError, TypeError, AttributeError):
        # One damaged body must not keep all others; `folkmoot verify` tells of it too.
        log.exception("the content of the expired event %s cannot be dropped", row.event_id)
        return None


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
