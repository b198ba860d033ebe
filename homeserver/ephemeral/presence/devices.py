"""From what a user's devices do to what the user is: the rules of presence, without anything else.

https://spec.matrix.org/v1.19/client-server-api/#presence
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from homeserver.ephemeral.presence.state import State

_BUSY_SECONDS = 3600
"""Nobody is disturbed sooner because a busy client lost its connection."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds: `idle` until who does nothing is unavailable, `offline` until a device that does not sync is gone.

    For `active` seconds after a user did something, they are currently active.
    """

    idle: float
    offline: float
    active: float


@dataclass(slots=True)
class Device:
    """A device that was seen: what it said, and when (in seconds) it was active and syncing last."""

    state: State
    active_at: float
    synced_at: float
    syncs: int = 0
    """Requests of /sync that wait."""

    def state_at(self, now: float, timeouts: Timeouts) -> State:
        """OFFLINE for a device that is gone."""
        if now >= self._gone_at(timeouts):
            return State.OFFLINE
        if self.state is State.ONLINE and now >= self.active_at + timeouts.idle:
            return State.UNAVAILABLE
        return self.state

    def deadlines(self, timeouts: Timeouts) -> Iterable[float]:
        """The times at which its state may change if nothing is heard of it."""
        yield self._gone_at(timeouts)
        if self.state is State.ONLINE:
            yield self.active_at + timeouts.idle

    def _gone_at(self, timeouts: Timeouts) -> float:
        if self.syncs:
            return float("inf")
        patience = _BUSY_SECONDS if self.state is State.BUSY else timeouts.offline
        return max(self.active_at, self.synced_at) + patience


@dataclass(slots=True)
class Devices:
    """The devices of one user by short id. None stands for those of which nothing is known any more."""

    by_nid: dict[int | None, Device] = field(default_factory=dict)

    def syncing(self, nid: int | None, state: State, now: float) -> bool:
        """A device began to sync; whether that is an activity: it came, or came back, to be online."""
        device = self.by_nid.get(nid)
        if device is None:
            device = self.by_nid[nid] = Device(State.OFFLINE, now, now)
        is_new = state is State.ONLINE and device.state < State.ONLINE
        # Clients say "online" with every sync; that does not end what the user said.
        if device.state is not State.BUSY:
            device.state = state
        device.synced_at = now
        device.syncs += 1
        if is_new:
            device.active_at = now
        return is_new

    def synced(self, nid: int | None, now: float) -> None:
        device = self.by_nid.get(nid)
        if device is not None:
            device.synced_at = now
            device.syncs = max(0, device.syncs - 1)

    def set_state(self, nid: int | None, state: State, now: float) -> None:
        """A device was told by its user how they are."""
        device = self.by_nid.setdefault(nid, Device(state, now, now))
        device.state = state
        if state >= State.ONLINE:
            device.active_at = now

    def active(self, nid: int | None, now: float) -> None:
        """The user did something with a device; they are there, whatever the device said before."""
        device = self.by_nid.setdefault(nid, Device(State.ONLINE, now, now))
        device.active_at = now
        device.state = max(device.state, State.ONLINE)

    def state_at(self, now: float, timeouts: Timeouts) -> State:
        """The best of the devices' states; forgets those that are gone."""
        states = {nid: device.state_at(now, timeouts) for nid, device in self.by_nid.items()}
        for nid, state in states.items():
            if state is State.OFFLINE and not self.by_nid[nid].syncs:
                del self.by_nid[nid]
        return max(states.values(), default=State.OFFLINE)

    def next_deadline(self, now: float, timeouts: Timeouts) -> float:
        """When `state_at` may next give something else; infinite if it will not by itself."""
        times = [time for device in self.by_nid.values() for time in device.deadlines(timeouts)]
        return min((time for time in times if time > now), default=float("inf"))
