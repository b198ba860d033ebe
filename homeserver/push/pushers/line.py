"""The line to one pusher: told in order, again until it is taken."""

import logging
from collections.abc import Sequence
from typing import Protocol

from homeserver.push.pushers.alerts import Alert, OwedAlerts
from homeserver.push.pushers.badges import Badges
from homeserver.push.pushers.carrier import Carrier, Gone, NotTaken
from homeserver.push.store.pushers import Debt, Pusher
from homeserver.runtime.clock import Clock
from homeserver.runtime.metrics import PUSHES
from homeserver.runtime.randomness import Randomness

log = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 3600.0


class Surroundings(Protocol):
    """What a line needs to know of the others."""

    def position(self) -> int:
        """Up to where there may be something for pushers."""

    async def bring(
        self, carrier: Carrier, pusher: Pusher, alert: Alert | None, badge: int, *, is_retry: bool
    ) -> None:
        """Raises what carriers do."""

    def wake(self, pusher: Pusher) -> None:
        """Ends its `pause`."""

    async def pause(self, pusher: Pusher, seconds: float) -> bool:
        """Waits, or until somebody wakes it; False where this server is stopping."""

    async def remove(self, pusher: Pusher) -> None:
        """The pusher is gone."""


class Line:
    """It exists while its pusher is told something. `position` is up to where the pusher has all."""

    def __init__(
        self,
        pusher: Pusher,
        position: int,
        around: Surroundings,
        carrier: Carrier,
        owed: OwedAlerts,
        badges: Badges,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self.pusher = pusher
        self.position = position
        self.retry_at: int | None = None
        self.failing_since: int | None = None
        self._around = around
        self._carrier = carrier
        self._owed = owed
        self._badges = badges
        self._clock = clock
        self._randomness = randomness
        self._pause = _FIRST_PAUSE
        self._has_news = False
        self._badge_is_old = False
        self.is_done = self.is_removed = False

    @property
    def debt(self) -> Debt:
        return Debt(self.pusher.nid, self.position, self.failing_since, self.retry_at)

    def news(self) -> None:
        """There is more, which is in the database."""
        self._has_news = True

    def badge_changed(self) -> bool:
        """Whether there is something to tell now."""
        self._badge_is_old = self._carrier.tells_badges
        return self._badge_is_old

    async def run(self, alerts: Sequence[Alert], debt: Debt | None = None) -> None:
        """Brings the alerts, then what else there is, until there is nothing more or this server stops.

        `debt` is what an earlier process has left.
        """
        try:
            if debt is not None and not await self._resume(debt):
                return
            if not await self._bring_fresh(alerts):
                return
            while self._has_news or self._badge_is_old:
                if not self._has_news:
                    await self._tell_badge()
                elif not await self._catch_up():
                    return
        except Gone as error:
            log.info("the pusher %s of %s has ended: %s", self.pusher.app_id, self.pusher.user_id, error)
            await self._around.remove(self.pusher)
        self.is_done = True

    async def _resume(self, debt: Debt) -> bool:
        self.failing_since, self.retry_at = debt.failing_since, debt.retry_at
        self._has_news = True
        wait = ((debt.retry_at or 0) - self._clock.now_ms()) / 1000
        return wait <= 0 or await self._around.pause(self.pusher, wait)

    async def _bring_fresh(self, alerts: Sequence[Alert]) -> bool:
        for alert in alerts:
            if not await self._attempt(alert):
                # All that is left is read again, as some of it may be read by then.
                self._has_news = True
                return await self._wait()
            self.position = alert.position
        return True

    async def _catch_up(self) -> bool:
        self._has_news = False
        upto = self._around.position()
        while self.position < upto:
            alerts, end = await self._owed.after(self.pusher, self.position, upto)
            for alert in alerts:
                if not await self._attempt(alert):
                    self._has_news = True
                    return await self._wait()
                self.position = alert.position
            self.position = end
        return True

    async def _attempt(self, alert: Alert) -> bool:
        badge = await self._badges.of(self.pusher.user_nid)
        try:
            await self._around.bring(
                self._carrier, self.pusher, alert, badge, is_retry=self.failing_since is not None
            )
        except NotTaken as error:
            PUSHES.labels(self.pusher.kind, "failed").inc()
            log.info("a notification of %s was not taken: %s", self.pusher.user_id, error)
            self._failed(error.retry_after)
            return False
        PUSHES.labels(self.pusher.kind, "taken").inc()
        self.failing_since = self.retry_at = None
        self._pause = _FIRST_PAUSE
        self._badge_is_old = False
        return True

    def _failed(self, retry_after: float | None) -> None:
        now_ms = self._clock.now_ms()
        if self.failing_since is None:
            self.failing_since = now_ms
        # Not all pushers of a gateway that was down come back at once.
        pause = max(
            self._pause * (0.8 + 0.4 * self._randomness.fraction()), min(retry_after or 0, _LONGEST_PAUSE)
        )
        self.retry_at = now_ms + int(pause * 1000)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    async def _wait(self) -> bool:
        seconds = ((self.retry_at or 0) - self._clock.now_ms()) / 1000
        return await self._around.pause(self.pusher, seconds)

    async def _tell_badge(self) -> None:
        """Once: the next notification tells it again."""
        self._badge_is_old = False
        badge = await self._badges.of(self.pusher.user_nid)
        try:
            await self._around.bring(self._carrier, self.pusher, None, badge, is_retry=False)
        except NotTaken as error:
            log.info("a count of %s was not taken: %s", self.pusher.user_id, error)
