"""What has happened since pushers were last told: worked out once for all who are concerned.

`push_reach` is up to where that has come. What pushers have not taken by then is a debt, one row for each such
pusher; so nothing is written for those who take what they are told.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from homeserver.protocol.json import decode_json
from homeserver.protocol.push_evaluation import Ruleset
from homeserver.protocol.push_rules import Actions
from homeserver.push.pushers.alerts import Alert, ToldEvent, told_events
from homeserver.push.pushers.invitations import invited_between
from homeserver.push.pushers.lines import Lines
from homeserver.push.pushers.recipients import Audience, Recipients
from homeserver.push.rulesets import DEFAULT_RULESET
from homeserver.push.store.audience import DEFAULT, rulesets
from homeserver.push.store.pushers import Pusher, pushers_owed, reach, store_progress
from homeserver.push.store.recipients import NewsRow, OwnRow, news_between, nids_of, own_between
from homeserver.rooms.reading import timeline_events
from homeserver.rooms.store.events import events_by_nid
from homeserver.runtime.clock import Clock
from homeserver.runtime.tasks import run_in_background
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal

_AT_ONCE = 200
_STORE_SECONDS = 2
_USERS_AT_ONCE = 100
# What is older was perhaps read by now, which lines find out.
_FRESH_MS = 60_000
_RULESET_BYTES = 20_000


class _News(NamedTuple):
    """What has come at after < position <= end."""

    after: int
    end: int
    usual: Sequence[NewsRow]
    own: Mapping[int, Sequence[OwnRow]]
    invited: Mapping[int, Sequence[Alert]]
    """To rooms elsewhere, by user."""

    @property
    def rooms(self) -> set[int]:
        return {row.room for row in self.usual} | {row.room for rows in self.own.values() for row in rows}

    @property
    def times(self) -> dict[int, int]:
        """When each event was here, by position."""
        own = {row.position: row.ts for rows in self.own.values() for row in rows}
        return own | {row.position: row.ts for row in self.usual}


_ByUser = dict[int, dict[int, Actions]]
"""What users' rules do, by user and position."""


class Distribution:
    """Runs while there are news, and at most once at a time; one process does it for all."""

    def __init__(
        self, lines: Lines, recipients: Recipients, journal: Journal, db: Database, clock: Clock, budget: int
    ) -> None:
        """`budget`, for rulesets in memory, is in bytes."""
        self._lines = lines
        self._recipients = recipients
        self._journal = journal
        self._db = db
        self._clock = clock
        self._rulesets: ByteBudgetCache[int, Ruleset] = ByteBudgetCache(budget)
        self._reached: int | None = None
        self._has_news = False
        self._is_running = False
        self._storing_is_due = False
        self._is_stopping = False

    @property
    def reached(self) -> int | None:
        """The position up to which pushers were told; None before that is known."""
        return self._reached

    def start_at(self, _: int) -> None:
        """Called once the journal has started: what came before, and was not told of, is told now."""
        self._recipients.clear()
        self.news()

    def news(self) -> None:
        """Something may have come for somebody who has pushers."""
        self._has_news = True
        if not self._is_running and not self._is_stopping:
            self._is_running = True
            run_in_background("notifications", self._run())

    async def look_again(self) -> None:
        """For a task: goes on after a failure of the database."""
        if self._reached is None or self._reached < self._journal.position:
            self.news()

    async def stop(self) -> None:
        """Breaks off, and stores how far it has come."""
        self._is_stopping = True
        await self._lines.stop()
        await self._store()

    async def _run(self) -> None:
        try:
            if self._reached is None:
                await self._take_up()
            while self._has_news and not self._is_stopping:
                self._has_news = False
                upto = self._journal.position
                while self._reached is not None and self._reached < upto and not self._is_stopping:
                    self._advance(await self._distribute(self._reached, upto))
                self._store_later()
        finally:
            self._is_running = False

    def _advance(self, end: int) -> None:
        # When this server stops, not everybody may have been told.
        if not self._is_stopping:
            self._reached = end

    async def _take_up(self) -> None:
        """Where an earlier process had come to."""
        reached = await self._db.read(reach)
        for pusher, debt in await self._db.read(pushers_owed):
            if pusher.is_active:
                self._lines.resume(pusher, debt)
        self._reached = reached

    async def _distribute(self, after: int, upto: int) -> int:
        """Tells of the oldest news; the position up to which that is done."""
        news = await self._db.read(_news, after, upto)
        concerned: _ByUser = {}
        if news.rooms:
            audiences = await self._recipients.of(news.rooms, upto)
            concerned = await self._concerned(news, audiences)
        if concerned or news.invited:
            await self._tell(news, concerned)
        return news.end

    async def _concerned(self, news: _News, audiences: Mapping[int, Audience]) -> _ByUser:
        concerned: _ByUser = defaultdict(dict)
        known = await self._rulesets_of(audiences)
        for row in news.usual:
            exceptions = {own.user_nid for own in news.own.get(row.position, ())}
            actions: dict[int, Actions] = {}
            for one in audiences[row.room].values():
                if one.silent or one.user_nid in exceptions or one.user_nid == row.sender:
                    continue
                if one.since < row.position and row.sender not in one.ignored:
                    if one.ruleset not in actions:
                        actions[one.ruleset] = known.get(one.ruleset, DEFAULT_RULESET).actions_of(row.rule)
                    concerned[one.user_nid][row.position] = actions[one.ruleset]
        for rows in news.own.values():
            for own in rows:
                if own.notify:
                    concerned[own.user_nid][own.position] = tuple(decode_json(bytes(own.actions)))
        return concerned

    async def _tell(self, news: _News, concerned: _ByUser) -> None:
        pushers = await self._recipients.pushers(concerned.keys() | news.invited.keys())
        positions = {position for user in pushers for position in concerned.get(user, ())}
        told = await self._db.read(_told_events, news.rooms, positions, news.times) if positions else {}
        fresh_from = self._clock.now_ms() - _FRESH_MS
        for number, (user, of_user) in enumerate(pushers.items(), 1):
            if number % _USERS_AT_ONCE == 0:
                # Others, too, have requests under way.
                await self._clock.sleep(0)
            found = [
                Alert(told[position], actions)
                for position, actions in concerned.get(user, {}).items()
                if position in told
            ]
            found += news.invited.get(user, ())
            found.sort(key=attrgetter("position"))
            is_fresh = all(alert.told.ts >= fresh_from for alert in found)
            for pusher in of_user:
                self._tell_one(pusher, found, news.after, is_fresh=is_fresh)

    def _tell_one(self, pusher: Pusher, alerts: Sequence[Alert], after: int, *, is_fresh: bool) -> None:
        wanted = [alert for alert in alerts if alert.position > pusher.since]
        if wanted:
            self._lines.tell(pusher, wanted if is_fresh else (), after)

    async def _rulesets_of(self, audiences: Mapping[int, Audience]) -> Mapping[int, Ruleset]:
        wanted = {one.ruleset for audience in audiences.values() for one in audience.values()} - {DEFAULT}
        found = {nid: self._rulesets.get(nid) for nid in wanted}
        missing = [nid for nid, one in found.items() if one is None]
        if missing:
            for nid, rules in (await self._db.read(rulesets, missing)).items():
                found[nid] = Ruleset(rules)
                self._rulesets.put(nid, Ruleset(rules), _RULESET_BYTES)
        return {nid: one for nid, one in found.items() if one is not None}

    def _store_later(self) -> None:
        if not self._storing_is_due and not self._is_stopping:
            self._storing_is_due = True
            self._clock.call_later(_STORE_SECONDS, self._store_now)

    def _store_now(self) -> None:
        self._storing_is_due = False
        if not self._is_stopping:
            run_in_background("progress of notifications", self._store())

    async def _store(self) -> None:
        if self._reached is None:
            return
        debts, settled = self._lines.debts(), self._lines.take_settled()
        await self._db.write(store_progress, self._reached, debts, settled)
        if debts:
            self._store_later()


def _news(txn: Transaction, after: int, upto: int) -> _News:
    usual = news_between(txn, after, upto, _AT_ONCE)
    end = usual[-1].position if len(usual) == _AT_ONCE else upto
    return _News(after, end, usual, own_between(txn, after, end), invited_between(txn, after, end))


def _told_events(
    txn: Transaction, rooms: Collection[int], positions: Collection[int], times: dict[int, int]
) -> dict[int, ToldEvent]:
    """By position, without those of which nothing is left."""
    stored = events_by_nid(txn, nids_of(txn, rooms, positions))
    told = told_events(txn, timeline_events(txn, stored), times)
    return {one.event.position: one for one in told}
