"""The end of redacted content: after a while it is not only hidden but gone.

https://spec.matrix.org/v1.19/client-server-api/#redactions
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta

from homeserver.protocol.events import from_stored, stored_forms
from homeserver.protocol.redaction import redact_event
from homeserver.protocol.room_versions import room_version
from homeserver.rooms.appends import Accepted
from homeserver.rooms.redactions import redactions_among
from homeserver.rooms.store.redacted_content import (
    RetainedEvent,
    begin_retention,
    begin_retention_of_late,
    end_retention,
    replace_bodies,
    retained_events,
)
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

log = logging.getLogger(__name__)

_BATCH = 100
"""Events in one transaction, so that nobody waits long behind it."""


class RedactedContent:
    """Drops the content of events that were redacted long enough ago.

    Also the projection that remembers them; it comes after `RedactionMarks`, which says what redactions count.
    """

    def __init__(self, db: Database, clock: Clock, period: timedelta | None) -> None:
        """`period` is how long content is kept after its redaction; None is for ever."""
        self._db = db
        self._clock = clock
        self._period = period

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        redactions = [(target, redaction.nid) for redaction, target in redactions_among(txn, events)]
        if redactions:
            begin_retention(txn, redactions, self._clock.now_ms())
        late = [event.nid for event in events if event.is_late]
        if late:
            begin_retention_of_late(txn, late, self._clock.now_ms())

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """Nobody waits for it."""
        return ()

    async def drop_old(self) -> None:
        if self._period is None:
            return
        before_ms = self._clock.now_ms() - int(self._period.total_seconds() * 1000)
        while await self._db.write(_drop_batch, before_ms) == _BATCH:
            pass


def _drop_batch(txn: Transaction, before_ms: int) -> int:
    """Replaces bodies by their redacted forms, which have the same event ID; returns how many."""
    events = retained_events(txn, before_ms, _BATCH)
    if events:
        replace_bodies(txn, [(event.nid, *forms) for event in events if (forms := _redacted_forms(event))])
        end_retention(txn, [event.nid for event in events])
    return len(events)


def _redacted_forms(row: RetainedEvent) -> tuple[bytes, bytes] | None:
    try:
        event = from_stored(row.client, row.federation, row.room_id, room_version(row.version))
        return stored_forms(redact_event(event))
    except (ValueError, LookupError, TypeError, AttributeError):
        # One damaged body must not keep all others; `folkmoot verify` tells of it too.
        log.exception("the content of the redacted event %s cannot be dropped", row.event_id)
        return None
