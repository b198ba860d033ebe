"""The line to a mailbox: what stays unread for a while, all in one e-mail, and the same room not too often."""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from homeserver.push.pushers.alerts import Alert, OwedAlerts
from homeserver.push.pushers.line import Surroundings
from homeserver.push.pushers.mail import NotificationMail
from homeserver.push.store.mail import (
    Throttle,
    delete_old_throttles,
    is_address_of,
    throttles,
    upsert_throttles,
)
from homeserver.push.store.pushers import Debt, Pusher
from homeserver.runtime.clock import Clock
from homeserver.runtime.metrics import PUSHES
from homeserver.storage.database import Database

log = logging.getLogger(__name__)

_KEPT_MS = 7 * 24 * 3600 * 1000
_MOST_ALERTS = 200
# COMPAT(synapse): the second e-mail about a busy room comes a day after the first, until it was quiet for half a day.
_THROTTLE_FACTOR = 144
_LONGEST_THROTTLE_MS = 24 * 3600 * 1000
_QUIET_MS = 12 * 3600 * 1000
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 60_000, 3_600_000


class Throttles:
    """Keeps when pushers were last written to about rooms."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def may_write_to(self, pusher: Pusher) -> bool:
        """Whether the address is still that of the user."""
        return await self._db.read(is_address_of, pusher.user_nid, pusher.pushkey)

    async def of(self, pusher: Pusher) -> Mapping[int, Throttle]:
        """By room."""
        return await self._db.read(throttles, pusher.nid)

    async def put(self, pusher: Pusher, rows: Collection[Throttle]) -> None:
        await self._db.write(upsert_throttles, pusher.nid, rows)

    async def forget_old(self) -> None:
        """For a daily task: those that hold nothing up any more."""
        before_ms = self._clock.now_ms() - _LONGEST_THROTTLE_MS - _QUIET_MS
        await self._db.write(delete_old_throttles, before_ms)


class MailLine:
    """It exists while something is unread that no e-mail has told of. See `line.Line`."""

    def __init__(
        self,
        pusher: Pusher,
        position: int,
        around: Surroundings,
        mail: NotificationMail,
        owed: OwedAlerts,
        throttles: "Throttles",
        delay: timedelta,
        clock: Clock,
    ) -> None:
        self.pusher = pusher
        self.position = position
        self.failing_since: int | None = None
        self.is_done = self.is_removed = False
        self._around = around
        self._mail = mail
        self._owed = owed
        self._delay_ms = int(delay.total_seconds() * 1000)
        self._throttles = throttles
        self._clock = clock
        self._pause_ms = _FIRST_PAUSE_MS
        self._has_news = False
        # When it is looked through again what is unread.
        self._due: int = clock.now_ms() + self._delay_ms

    @property
    def debt(self) -> Debt:
        return Debt(self.pusher.nid, self.position, self.failing_since, self._due)

    def news(self) -> None:
        """There is more, but nothing of it is due before the delay has passed."""
        self._has_news = True
        due = self._clock.now_ms() + self._delay_ms
        if self.failing_since is None and due < self._due:
            self._due = due
            self._around.wake(self.pusher)

    def badge_changed(self) -> bool:
        """Mailboxes have no numbers on them that we could change."""
        return False

    async def run(self, alerts: Sequence[Alert], debt: Debt | None = None) -> None:
        """Until nothing is unread that has not been told, or this server stops."""
        if debt is not None:
            self.failing_since, self._due = debt.failing_since, debt.retry_at or self._due
        while await self._until_due():
            if not await self._throttles.may_write_to(self.pusher):
                await self._around.remove(self.pusher)
                self.is_done = True
                return
            self._has_news = False
            upto = self._around.position()
            unread = await self._unread(upto)
            if not unread or await self._send_if_due(unread):
                self.position = upto
                if not self._has_news:
                    self.is_done = True
                    return
                self._due = self._clock.now_ms() + self._delay_ms

    async def _until_due(self) -> bool:
        while (wait := self._due - self._clock.now_ms()) > 0:
            if not await self._around.pause(self.pusher, wait / 1000):
                return False
        return True

    async def _unread(self, upto: int) -> Sequence[Alert]:
        """The newest of them, if they are very many."""
        found: list[Alert] = []
        position = self.position
        while position < upto:
            alerts, position = await self._owed.after(self.pusher, position, upto, _KEPT_MS)
            found = [*found, *alerts][-_MOST_ALERTS:]
        return found

    async def _send_if_due(self, unread: Sequence[Alert]) -> bool:
        """Whether all is told; if not, it is clear when to try again."""
        now_ms = self._clock.now_ms()
        earlier = await self._throttles.of(self.pusher)
        due = min(self._due_at(alert, earlier.get(alert.told.event.room)) for alert in unread)
        if due > now_ms:
            self._due = due
            return False
        try:
            # Mail servers have many ways to refuse, and all mean the same.
            await self._mail.send(self.pusher, unread)
        except Exception as error:
            self._failed(error)
            return False
        PUSHES.labels(self.pusher.kind, "taken").inc()
        self.failing_since = None
        self._pause_ms = _FIRST_PAUSE_MS
        new = _next_throttles(unread, earlier.values(), now_ms, self._delay_ms)
        await self._throttles.put(self.pusher, new)
        return True

    def _due_at(self, alert: Alert, throttle: Throttle | None) -> int:
        free_at = 0 if throttle is None else throttle.sent_at + throttle.pause
        return max(alert.told.ts + self._delay_ms, free_at)

    def _failed(self, error: Exception) -> None:
        PUSHES.labels(self.pusher.kind, "failed").inc()
        log.warning("an e-mail to a user could not be sent: %s", error)
        now_ms = self._clock.now_ms()
        if self.failing_since is None:
            self.failing_since = now_ms
        self._due = now_ms + self._pause_ms
        self._pause_ms = min(2 * self._pause_ms, _LONGEST_PAUSE_MS)


def _next_throttles(
    told: Sequence[Alert], earlier: Collection[Throttle], now_ms: int, delay_ms: int
) -> list[Throttle]:
    """For how long each of the rooms is not written about again."""
    known = {throttle.room: throttle for throttle in earlier}
    first = {alert.told.event.room: alert.told.ts for alert in reversed(told)}
    return [Throttle(room, now_ms, _next_pause(known.get(room), ts, delay_ms)) for room, ts in first.items()]


def _next_pause(throttle: Throttle | None, ts: int, delay_ms: int) -> int:
    if throttle is None or ts - throttle.sent_at > _QUIET_MS:
        return delay_ms
    return min(throttle.pause * _THROTTLE_FACTOR, _LONGEST_THROTTLE_MS)
