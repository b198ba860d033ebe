"""Keeping track of how local users are: what their devices do, and what becomes of it with time.

Changes are gathered for a moment and stored together, so that a thousand users who come online cost one write
and wake each waiting client once.

https://spec.matrix.org/v1.19/client-server-api/#presence
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from msgspec.structs import replace

from homeserver.accounts.domains import LocalDomains
from homeserver.ephemeral.listening import EphemeralListener
from homeserver.ephemeral.presence.devices import Device, Devices, Timeouts
from homeserver.ephemeral.presence.shared import SharedPresence
from homeserver.ephemeral.presence.state import State, UserPresence
from homeserver.ephemeral.presence.store import (
    delete_stale_presence,
    joined_rooms,
    presence_of,
    upsert_presence,
)
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import UserID
from homeserver.rooms.appends import Accepted, StateChange
from homeserver.runtime.clock import Clock, DelayedCall
from homeserver.runtime.tasks import run_in_background
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Placed, Topic

_GATHERING_SECONDS = 1.0
_KEPT = timedelta(days=30)


@dataclass(slots=True)
class _Told:
    """Presences that become known together; `rooms` of the users are read when they are stored."""

    presences: Sequence[UserPresence]
    rooms: Mapping[int, set[int]] = field(default_factory=dict)


class _PresenceKind:
    """How changes of presence are stored (an EntryKind)."""

    def __init__(self, shared: SharedPresence, listener: EphemeralListener) -> None:
        self._shared = shared
        self._listener = listener

    def count(self, entry: _Told) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[_Told]]) -> None:
        for placed in batch:
            upsert_presence(txn, placed.entry.presences, placed.position)
            placed.entry.rooms = joined_rooms(txn, [one.user_nid for one in placed.entry.presences])

    def stored(self, batch: Sequence[Placed[_Told]]) -> Iterable[Topic]:
        topics: set[Topic] = set()
        for placed in batch:
            told = placed.entry
            self._shared.changed(placed.position, told.presences, told.rooms)
            self._listener.presence_changed(told.presences, told.rooms)
            topics |= {("user", one.user_nid) for one in told.presences}
            topics |= {("room", room) for rooms in told.rooms.values() for room in rooms}
        return topics


@dataclass(slots=True)
class _Tracked:
    """A local user who is there: what is not told yet, too."""

    presence: UserPresence
    devices: Devices = field(default_factory=Devices)
    timer: DelayedCall | None = None
    wakes_at: float = float("inf")


class PresenceTracker:
    """Local users' presence; a projection too, because who sends something is there.

    Where `is_on` is false, nothing is noted and everybody stays as they are.
    """

    def __init__(
        self,
        db: Database,
        journal: Journal,
        shared: SharedPresence,
        listener: EphemeralListener,
        domains: LocalDomains,
        clock: Clock,
        timeouts: Timeouts,
        *,
        is_on: bool,
    ) -> None:
        self._db = db
        self._journal = journal
        self._shared = shared
        self._listener = listener
        self._kind = _PresenceKind(shared, listener)
        self._domains = domains
        self._clock = clock
        self._timeouts = timeouts
        self._is_on = is_on
        self._tracked: dict[int, _Tracked] = {}
        self._gathered: dict[int, UserPresence] = {}
        self._gathering: DelayedCall | None = None

    def start_at(self, position: int) -> None:
        """Called once the journal has started: what happened up to `position` is only in the database."""
        self._shared.start_at(position)
        if self._is_on:
            run_in_background("presence after a start", self._restore())

    async def begin_sync(self, requester: Requester, state: State) -> None:
        """A device is about to wait for news; OFFLINE where it does not want to be seen."""
        if self._is_on and state is not State.OFFLINE:
            now = self._clock.seconds()
            tracked = await self._track(requester.user_nid, requester.user_id)
            is_activity = tracked.devices.syncing(requester.device_nid, state, now)
            self._settle(tracked, is_activity=is_activity)

    def end_sync(self, requester: Requester) -> None:
        tracked = self._tracked.get(requester.user_nid)
        if tracked is not None:
            tracked.devices.synced(requester.device_nid, self._clock.seconds())
            self._settle(tracked)

    async def set_state(self, requester: Requester, state: State, status_msg: str | None) -> None:
        """What the user said; without `status_msg` they have none any more."""
        if not self._is_on:
            return
        tracked = await self._track(requester.user_nid, requester.user_id)
        tracked.presence = replace(tracked.presence, status_msg=status_msg)
        tracked.devices.set_state(requester.device_nid, state, self._clock.seconds())
        self._settle(tracked, is_activity=state >= State.ONLINE)

    async def active(self, user_nid: int, user_id: UserID, device_nid: int | None) -> None:
        """The user did something that only somebody does who is there."""
        if self._is_on:
            self._note(await self._track(user_nid, user_id), device_nid)

    async def of(self, user_nid: int) -> UserPresence | None:
        """A user's presence, that of users of other servers too; None for who was never seen."""
        tracked = self._tracked.get(user_nid)
        if tracked is not None:
            return tracked.presence
        return self._gathered.get(user_nid) or await self._db.read(presence_of, user_nid)

    def tell(self, presence: UserPresence) -> None:
        """Shows a new presence to who may see it; of users of other servers too."""
        if not self._gathered:
            self._gathering = self._clock.call_later(_GATHERING_SECONDS, self._tell_gathered)
        self._gathered[presence.user_nid] = presence

    async def forget_stale(self) -> None:
        """For a task: who was not seen for a month was never seen."""
        await self._db.write(delete_stale_presence, self._clock.now_ms() - _KEPT // timedelta(milliseconds=1))

    async def finish(self) -> None:
        """Stores what was gathered, at the end of the server; nothing is noted from now on."""
        self._is_on = False
        timers = [self._gathering, *(tracked.timer for tracked in self._tracked.values())]
        for timer in timers:
            if timer is not None and timer.active():
                timer.cancel()
        self._tracked.clear()
        if self._gathered:
            presences, self._gathered = list(self._gathered.values()), {}
            await self._store(presences)

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Nothing to write."""

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        for event in events:
            for change in event.changes:
                if change.target is not None:
                    self._moved(change.target, event, is_member=_is_join(change))
            if event.transaction is not None and self._is_on:
                self._sent(event.short_ids.sender, event.event.sender, event.transaction.device)
        return ()

    def _sent(self, user_nid: int, user_id: UserID, device_nid: int) -> None:
        tracked = self._tracked.get(user_nid)
        if tracked is not None:
            self._note(tracked, device_nid)
        else:
            run_in_background("presence of who sent something", self.active(user_nid, user_id, device_nid))

    def _note(self, tracked: _Tracked, device_nid: int | None) -> None:
        tracked.devices.active(device_nid, self._clock.seconds())
        self._settle(tracked, is_activity=True)

    def _moved(self, user_nid: int, event: Accepted, *, is_member: bool) -> None:
        if is_member:
            presence = self._shared.joined(user_nid, event.room, event.position)
            if presence is not None:
                self._listener.presence_changed([presence], {user_nid: (event.room,)})
        else:
            self._shared.left(user_nid, event.room)

    async def _restore(self) -> None:
        """Who was there before a restart has until the usual timeout to come back."""
        await self._shared.load()
        now = self._clock.seconds()
        for presence in list(self._shared.everybody()):
            if presence.user_nid not in self._tracked and self._domains.is_local(presence.user_id):
                tracked = self._tracked[presence.user_nid] = _Tracked(presence)
                active_at = presence.last_active_at / 1000
                tracked.devices.by_nid[None] = Device(presence.state, active_at, now)
                self._settle(tracked)

    async def _track(self, user_nid: int, user_id: UserID) -> _Tracked:
        if user_nid not in self._tracked:
            stored = self._gathered.get(user_nid) or await self._db.read(presence_of, user_nid)
            presence = stored or UserPresence(user_nid, user_id, State.OFFLINE, None, 0, is_active=False)
            # Somebody else may have been here meanwhile.
            self._tracked.setdefault(user_nid, _Tracked(presence))
        return self._tracked[user_nid]

    def _settle(self, tracked: _Tracked, *, is_activity: bool = False) -> None:
        """Works out how the user is now, tells if that is news, and sees that it is looked at again in time."""
        now, before = self._clock.seconds(), tracked.presence
        state = tracked.devices.state_at(now, self._timeouts)
        active_at = now if is_activity else before.last_active_at / 1000
        is_active = state >= State.ONLINE and now < active_at + self._timeouts.active
        tracked.presence = replace(
            before, state=state, last_active_at=int(active_at * 1000), is_active=is_active
        )
        told = self._gathered.get(before.user_nid) or self._shared.get(before.user_nid)
        if told is None or not told.looks_like(tracked.presence):
            self.tell(tracked.presence)
        self._wake_at(tracked, self._next_look(tracked, now))

    def _next_look(self, tracked: _Tracked, now: float) -> float:
        deadline = tracked.devices.next_deadline(now, self._timeouts)
        if tracked.presence.is_active:
            deadline = min(deadline, tracked.presence.last_active_at / 1000 + self._timeouts.active)
        return deadline

    def _wake_at(self, tracked: _Tracked, deadline: float) -> None:
        """A timer that goes off too early looks and goes on; one that would be too late is replaced."""
        if tracked.timer is not None and tracked.timer.active():
            if tracked.wakes_at <= deadline:
                return
            tracked.timer.cancel()
        tracked.wakes_at = deadline
        if deadline < float("inf"):
            # A millisecond later, so that rounding never makes it look too early.
            delay = max(0.0, deadline - self._clock.seconds()) + 0.001
            tracked.timer = self._clock.call_later(delay, self._look_again, tracked)
        elif not tracked.devices.by_nid:
            self._tracked.pop(tracked.presence.user_nid, None)

    def _look_again(self, tracked: _Tracked) -> None:
        self._settle(tracked)

    def _tell_gathered(self) -> None:
        presences, self._gathered = list(self._gathered.values()), {}
        run_in_background("presence", self._store(presences))

    async def _store(self, presences: Sequence[UserPresence]) -> None:
        await self._journal.append(self._kind, _Told(presences))


def _is_join(change: StateChange) -> bool:
    return change.event is not None and change.event.membership == "join"
