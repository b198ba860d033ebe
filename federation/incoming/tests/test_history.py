"""What happened before the events that are here, of random rooms with forks."""

from collections.abc import Sequence
from random import Random
from typing import cast
from urllib.parse import quote

import pytest

from federation.client.events import EventCalls
from federation.incoming.history import HistoryFetcher
from federation.incoming.outliers import Outliers
from federation.incoming.pdu_checks import PduChecks
from federation.incoming.remote_states import RemoteStates
from federation.incoming.tests.teller import ORIGIN, Asking, Teller, Trusting
from federation.keyring import Keyring
from federation.outgoing.room_servers_store import add_joined
from federation.tests.peers import Peers
from federation.transport import Call
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.json import JsonObject
from homeserver.rooms.graph.tests.arrivals import StoryTestCase
from homeserver.rooms.graph.tests.stories import Story
from homeserver.runtime.threads import InlineThreads
from homeserver.streams.waiting import Waiting

pytestmark = pytest.mark.wire


class Chronicler(Teller):
    """It tells of the past, a little at a time."""

    def __init__(self, story: Story, room_id: str, most: int) -> None:
        super().__init__(story, room_id)
        self._most = most
        self.answers[ORIGIN, f"/_matrix/federation/v1/backfill/{quote(room_id, safe='')}"] = self.backfill

    def backfill(self, call: Call) -> JsonObject:
        named = cast(Sequence[EventID], (call.query or {})["v"])
        newest_first = self.story.ancestors(named, self._most)[::-1]
        return {"pdus": [event.pdu() for event in newest_first]}


class HistoryFetcherTests(StoryTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.story, self.join = self.story_with_join(Random("fetching"))
        self.arrivals = self.entered(self.story, self.join)
        process = self.arrivals.process
        self.result_of(process.db.write(add_joined, self.arrivals.key.nid, ORIGIN, 1, 1))

    def fetcher(self, peers: Peers) -> HistoryFetcher:
        process = self.arrivals.process
        calls = EventCalls(Asking(peers))
        checks = PduChecks(cast(Keyring, Trusting()), InlineThreads())
        outliers = Outliers(process.heads, self.arrivals.receiver, process.db, InlineThreads())
        states = RemoteStates(calls, checks, outliers, process.heads, process.db)
        return HistoryFetcher(
            calls, checks, states, process.history, process.heads, process.db, Waiting(process.clock)
        )

    def missing(self) -> set[EventID]:
        return set(self.result_of(self.arrivals.process.history.missing(self.arrivals.room_id)))

    def fetch_all(self, peers: Peers) -> None:
        fetcher = self.fetcher(peers)
        for _ in range(100):
            if not (missing := self.missing()):
                return
            self.result_of(fetcher.fetch(self.arrivals.room_id, missing))
            if self.missing() == missing:
                return

    def test_all_of_it_comes(self) -> None:
        for most in (7, 1000):
            self.arrivals = self.entered(self.story, self.join)
            self.result_of(self.arrivals.process.db.write(add_joined, self.arrivals.key.nid, ORIGIN, 1, 1))
            self.fetch_all(Chronicler(self.story, self.arrivals.room_id, most))
            whole = {one.event_id for one in self.story.ancestors([self.join.event_id], 10_000)}
            assert set(self.arrivals.timeline()) == whole - self.story.rejected
            for event_id in self.arrivals.timeline():
                self.arrivals.compare_states(self.story, self.story.events[event_id])

    def test_a_server_that_tells_nothing(self) -> None:
        before = self.missing()
        self.fetch_all(Peers())
        assert self.missing() == before

    def test_events_that_nobody_asked_for(self) -> None:
        """Only what leads to the missing events is taken."""
        teller = Chronicler(self.story, self.arrivals.room_id, 5)
        later = self.story.make(behind=self.join.event_id)
        honest = teller.backfill

        def backfill(call: Call) -> JsonObject:
            return {"pdus": [later.pdu(), *honest(call)["pdus"]]}

        teller.answers[ORIGIN, f"/_matrix/federation/v1/backfill/{quote(self.arrivals.room_id, safe='')}"] = (
            backfill
        )
        self.result_of(self.fetcher(teller).fetch(self.arrivals.room_id, self.missing()))
        assert not self.arrivals.knows({later.event_id})
        assert len(self.arrivals.timeline()) > 1
