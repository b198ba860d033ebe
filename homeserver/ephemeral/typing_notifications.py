"""Who is typing: kept in memory only, but numbered by the journal like everything that clients wait for.

https://spec.matrix.org/v1.19/client-server-api/#typing-notifications
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from homeserver.ephemeral.listening import EphemeralListener
from homeserver.protocol.identifiers import UserID
from homeserver.runtime.clock import Clock, DelayedCall
from homeserver.runtime.tasks import run_in_background
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Placed, Topic
from homeserver.streams.last_changed import LastChanged


@dataclass(frozen=True, slots=True)
class _Change:
    room_nid: int
    user_id: UserID
    typing: bool


class _Changes:
    """The state that readers see (an EntryKind). It changes once the change is numbered, so both agree."""

    def __init__(self, listener: EphemeralListener) -> None:
        self._listener = listener
        self.changed: LastChanged[int] = LastChanged()
        self.typing: dict[int, set[UserID]] = {}

    def count(self, entry: _Change) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[_Change]]) -> None:
        """There are no rows: the position is all that is needed."""

    def stored(self, batch: Sequence[Placed[_Change]]) -> Iterable[Topic]:
        for placed in batch:
            self._apply(placed.entry)
            self.changed.record(placed.entry.room_nid, placed.position)
            self._listener.typing_changed(
                placed.entry.room_nid, placed.entry.user_id, is_typing=placed.entry.typing
            )
        return {("room", placed.entry.room_nid) for placed in batch}

    def _apply(self, change: _Change) -> None:
        users = self.typing.setdefault(change.room_nid, set())
        if change.typing:
            users.add(change.user_id)
        else:
            users.discard(change.user_id)
        if not users:
            del self.typing[change.room_nid]


class Typing:
    """Users who are typing, by room (short id). A change wakes the topic ("room", short id)."""

    def __init__(self, journal: Journal, clock: Clock, listener: EphemeralListener) -> None:
        self._journal = journal
        self._clock = clock
        self._changes = _Changes(listener)
        self._expiry: dict[tuple[int, UserID], DelayedCall] = {}

    def start_at(self, position: int) -> None:
        """Called once the journal has started: clients synced to an earlier `position` may show who typed."""
        self._changes.changed.start_at(position)

    def changed_after(self, room_nid: int, position: int) -> bool:
        """Whether it may have changed after `position` who is typing in the room."""
        return self._changes.changed.after(room_nid, position)

    def typing_users(self, room_nid: int) -> list[UserID]:
        return sorted(self._changes.typing.get(room_nid, ()))

    async def started(self, room_nid: int, user_id: UserID, timeout: float) -> None:
        """The user types for the next `timeout` seconds, unless told otherwise."""
        key = (room_nid, user_id)
        expiry = self._expiry.get(key)
        if expiry is not None:
            # Clients repeat themselves every few seconds; nobody need be woken for that.
            expiry.reset(timeout)
            return
        self._expiry[key] = self._clock.call_later(timeout, self._expired, key)
        await self._journal.append(self._changes, _Change(room_nid, user_id, typing=True))

    async def stopped(self, room_nid: int, user_id: UserID) -> None:
        """The user types no longer, if at all."""
        expiry = self._expiry.pop((room_nid, user_id), None)
        if expiry is not None:
            expiry.cancel()
            await self._stop(room_nid, user_id)

    def _expired(self, key: tuple[int, UserID]) -> None:
        del self._expiry[key]
        run_in_background("typing expiry", self._stop(*key))

    async def _stop(self, room_nid: int, user_id: UserID) -> None:
        await self._journal.append(self._changes, _Change(room_nid, user_id, typing=False))
