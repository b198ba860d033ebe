"""The newest events of active rooms in memory, so that telling many clients of one event reads nothing."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from homeserver.protocol.json import encode_json
from homeserver.rooms.appends import Accepted
from homeserver.rooms.timeline_event import Replaced, TimelineEvent, event_key
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic
from homeserver.streams.last_changed import LastChanged

_LONGEST = 100
"""Events of one room that are kept; who is further behind reads the database."""


@dataclass(slots=True)
class _Tail:
    """All events of the room after position `complete_after`, oldest first."""

    complete_after: int
    events: deque[TimelineEvent] = field(default_factory=deque)
    size: int = 0


class Tails:
    """A projection without a table: it only listens."""

    def __init__(self, budget: int) -> None:
        """`budget` is in bytes."""
        self._tails: ByteBudgetCache[int, _Tail] = ByteBudgetCache(budget)
        self._last_changed: LastChanged[int] = LastChanged()

    def start_at(self, position: int) -> None:
        """Nothing is known of events up to `position`, whatever was known before."""
        self._tails.clear()
        self._last_changed.start_at(position)

    def changed_after(self, room: int, position: int) -> bool:
        """Whether the room may have events after `position`."""
        return self._last_changed.after(room, position)

    def events_after(self, room: int, position: int) -> Sequence[TimelineEvent] | None:
        """The room's events after `position`, oldest first; None where memory does not reach back so far."""
        tail = self._tails.get(room)
        if tail is None or position < tail.complete_after:
            return None
        return [event for event in tail.events if event.position > position]

    def discard(self, room: int) -> None:
        """Forgets the room's events; `events_after` then knows only those that come from now on."""
        self._tails.discard(room)

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Nothing to write."""

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        for accepted in events:
            self._add(accepted)
        return ()

    def _add(self, accepted: Accepted) -> None:
        event = _timeline_event(accepted)
        # The room's events between what is known of it and this one are unknown, unless there is a tail.
        # Behind a gap it begins anew: what was told before does not lead to what is told now.
        tail = None if accepted.is_behind_gap else self._tails.get(event.room)
        tail = tail or _Tail(complete_after=event.position - 1)
        tail.events.append(event)
        tail.size += event.size()
        if len(tail.events) > _LONGEST:
            dropped = tail.events.popleft()
            tail.complete_after = dropped.position
            tail.size -= dropped.size()
        self._tails.put(event.room, tail, tail.size)
        self._last_changed.record(event.room, event.position)


def _timeline_event(accepted: Accepted) -> TimelineEvent:
    transaction = accepted.transaction
    replaces = accepted.replaces
    return TimelineEvent(
        room=accepted.room,
        nid=accepted.nid,
        position=accepted.position,
        client=accepted.client,
        key=event_key(accepted.client),
        origin_server_ts=accepted.event.origin_server_ts,
        state_before=accepted.state_before,
        state_after=accepted.state_after,
        on_fork=accepted.fork is not None,
        replaced=None
        if replaces is None
        else Replaced(replaces.event_id, replaces.sender, msgspec.Raw(encode_json(replaces.content))),
        transaction=None if transaction is None else (transaction.device, transaction.txn_id),
    )
