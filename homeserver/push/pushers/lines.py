"""All pushers that are being told something."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from twisted.internet.defer import Deferred, gatherResults

from config.push import Push
from homeserver.push.pushers.alerts import Alert
from homeserver.push.pushers.carrier import Carrier
from homeserver.push.pushers.line import Surroundings
from homeserver.push.pushers.recipients import Recipients
from homeserver.push.store.pushers import Debt, Pusher, delete_pushers, pushers_of
from homeserver.runtime.clock import Clock
from homeserver.runtime.metrics import PUSHERS_BEHIND, PUSHERS_FAILING
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.tasks import run_in_background
from homeserver.storage.database import Database
from homeserver.streams.journal import Journal
from homeserver.streams.waiting import Waiting

_MOST_BADGES = 100_000
_AGAIN_SECONDS = 60


class AnyLine(Protocol):
    """What lines of all kinds have in common: see `line.Line`."""

    pusher: Pusher
    failing_since: int | None
    is_done: bool
    is_removed: bool

    @property
    def debt(self) -> Debt: ...

    def news(self) -> None: ...

    def badge_changed(self) -> bool: ...

    async def run(self, alerts: Sequence[Alert], debt: Debt | None = None) -> None: ...


class MakeLine(Protocol):
    def __call__(self, pusher: Pusher, position: int, around: Surroundings) -> AnyLine:
        """The line of a pusher that has all up to a position."""


class Lines:
    """Starts the line of a pusher when there is something for it; implements `line.Surroundings`."""

    def __init__(
        self,
        makers: Mapping[str, MakeLine],
        recipients: Recipients,
        settings: Push,
        journal: Journal,
        waiting: Waiting,
        db: Database,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        """`makers` are by kind of pusher."""
        self._makers = makers
        self._recipients = recipients
        self._jitter = (settings.jitter_delay or timedelta()).total_seconds()
        self._journal = journal
        self._waiting = waiting
        self._db = db
        self._clock = clock
        self._randomness = randomness
        self._lines: dict[int, AnyLine] = {}
        self._runs: dict[int, Deferred[None]] = {}
        self._settled: set[int] = set()
        self._told_badges: dict[int, int] = {}
        self._is_stopping = False
        PUSHERS_BEHIND.set_function(lambda: len(self._lines))
        PUSHERS_FAILING.set_function(
            lambda: sum(line.failing_since is not None for line in self._lines.values())
        )

    def tell(self, pusher: Pusher, alerts: Sequence[Alert], after: int) -> None:
        """What has come for a pusher after a position; where there are no alerts, it is in the database."""
        line = self._lines.get(pusher.nid)
        if line is not None:
            line.news()
            return
        line = self._line(pusher, after)
        if line is not None:
            if not alerts:
                line.news()
            self._start(line, alerts)

    def resume(self, pusher: Pusher, debt: Debt) -> None:
        """Goes on where an earlier process had come to."""
        line = None if pusher.nid in self._lines else self._line(pusher, debt.after)
        if line is not None:
            self._start(line, (), debt)

    def badge_changed(self, pusher: Pusher, after: int) -> None:
        """The user has read something; the pusher has all up to a position."""
        line = self._lines.get(pusher.nid) or self._line(pusher, after)
        if line is not None and line.badge_changed() and pusher.nid not in self._lines:
            self._start(line, ())

    async def changed(self, user_nid: int) -> None:
        """The user's pushers are others now."""
        self._recipients.forget_user(user_nid)
        pushers = {one.nid: one for one in (await self._db.read(pushers_of, [user_nid]))[user_nid]}
        for line in [line for line in self._lines.values() if line.pusher.user_nid == user_nid]:
            now = pushers.get(line.pusher.nid)
            if now is None or not now.is_active:
                line.is_removed = True
                run = self._runs.get(line.pusher.nid)
                if run is not None:
                    run.cancel()
            elif now != line.pusher:
                line.pusher = now
                self.wake(now)

    def debts(self) -> list[Debt]:
        """What pushers are owed now."""
        return [line.debt for line in self._lines.values()]

    def take_settled(self) -> set[int]:
        """Those who have got everything since it was last asked."""
        settled, self._settled = self._settled - self._lines.keys(), set()
        return settled

    async def stop(self) -> None:
        """Breaks off what is being brought; what is owed stays in `debts`."""
        self._is_stopping = True
        for run in list(self._runs.values()):
            run.cancel()
        await gatherResults(list(self._runs.values()))

    def position(self) -> int:
        return self._journal.position

    async def bring(
        self, carrier: Carrier, pusher: Pusher, alert: Alert | None, badge: int, *, is_retry: bool
    ) -> None:
        """Raises what carriers do."""
        if alert is None and self._told_badges.get(pusher.nid) == badge:
            return
        if self._jitter and not is_retry:
            await self._clock.sleep(self._jitter * self._randomness.fraction())
        await carrier.bring(pusher, alert, badge)
        if len(self._told_badges) > _MOST_BADGES:
            self._told_badges.clear()
        self._told_badges[pusher.nid] = badge

    def wake(self, pusher: Pusher) -> None:
        self._waiting.wake([("pusher", pusher.nid)])

    async def pause(self, pusher: Pusher, seconds: float) -> bool:
        until = self._clock.seconds() + seconds
        changed = await self._waiting.until([("pusher", pusher.nid)], seconds)
        return changed or self._clock.seconds() >= until

    async def remove(self, pusher: Pusher) -> None:
        await self._db.write(delete_pushers, [pusher.nid])
        self._recipients.forget_user(pusher.user_nid)

    def _line(self, pusher: Pusher, after: int) -> AnyLine | None:
        make = self._makers.get(pusher.kind)
        return None if make is None or self._is_stopping else make(pusher, after, self)

    def _start(self, line: AnyLine, alerts: Sequence[Alert], debt: Debt | None = None) -> None:
        self._lines[line.pusher.nid] = line
        run = run_in_background("telling a pusher", line.run(alerts, debt))
        if not run.called:
            self._runs[line.pusher.nid] = run
        run.addBoth(lambda _: self._ended(line))

    def _ended(self, line: AnyLine) -> None:
        self._runs.pop(line.pusher.nid, None)
        if line.is_done:
            del self._lines[line.pusher.nid]
            self._settled.add(line.pusher.nid)
        elif line.is_removed:
            del self._lines[line.pusher.nid]
        elif not self._is_stopping:
            # The database may have been away.
            self._clock.call_later(_AGAIN_SECONDS, self._again, line)

    def _again(self, line: AnyLine) -> None:
        if not self._is_stopping:
            self._start(line, (), line.debt)
