"""Events whose predecessors are not here, of random rooms with forks."""

from random import Random
from typing import cast

import pytest
from twisted.internet.defer import Deferred

from federation.client.events import EventCalls
from federation.incoming.intake import EventIntake
from federation.incoming.outliers import Outliers
from federation.incoming.pdu_checks import PduChecks
from federation.incoming.remote_states import RemoteStates
from federation.incoming.tests.teller import ORIGIN, Asking, Teller, Trusting
from federation.keyring import Keyring
from federation.tests.peers import Peers
from homeserver.protocol.errors import RemoteFailed
from homeserver.protocol.events import Event
from homeserver.rooms.graph.tests.arrivals import Arrivals, StoryTestCase
from homeserver.rooms.graph.tests.stories import Story
from homeserver.runtime.threads import InlineThreads
from homeserver.storage.engine import Transaction

pytestmark = pytest.mark.wire


class IntakeTests(StoryTestCase):
    def intake(self, arrivals: Arrivals, peers: Peers) -> EventIntake:
        process = arrivals.process
        calls = EventCalls(Asking(peers))
        checks = PduChecks(cast(Keyring, Trusting()), InlineThreads())
        outliers = Outliers(process.heads, arrivals.receiver, process.db, InlineThreads())
        states = RemoteStates(calls, checks, outliers, process.heads, process.db)
        return EventIntake(arrivals.receiver, states, calls, checks, process.heads, process.db)

    def told(self, seed: int, gap: int) -> tuple[Arrivals, Story, Event, Teller]:
        """A server that missed the last `gap` events of a story, and the next one."""
        rng = Random(seed)
        arrivals = self.created(rng.choice(("11", "12")))
        story = Story(arrivals.first_events(), rng)
        for _ in range(10):
            arrivals.take(story, story.make())
        missed = [story.make() for _ in range(gap + 1)]
        event = next(one for one in reversed(missed) if one.event_id not in story.rejected)
        return arrivals, story, event, Teller(story, event.room_id)

    def check(self, seed: int, gap: int) -> None:
        arrivals, story, event, teller = self.told(seed, gap)
        received = self.result_of(self.intake(arrivals, teller).take(event, ORIGIN))
        assert received.refusal is None or received.refusal.soft, received
        if received.refusal is None:
            before, _ = arrivals.states_around(event.event_id)
            assert before == story.before[event.event_id]

    def test_a_few_are_missing(self) -> None:
        for seed in range(5):
            self.check(seed, gap=6)

    def test_more_are_missing_than_are_asked_for(self) -> None:
        for seed in range(2):
            self.check(seed, gap=40)

    def test_what_came_before_a_gap_is_not_followed_by_what_came_after(self) -> None:
        gaps = 0
        for seed in range(8):
            arrivals, _, event, teller = self.told(seed, 40)
            process, room = arrivals.process, arrivals.key.nid
            before = process.journal.position - 1
            # Redactions empty it, too.
            was_known = process.tails.events_after(room, before) is not None
            self.result_of(self.intake(arrivals, teller).take(event, ORIGIN))
            if was_known and self.result_of(process.history.missing(arrivals.room_id)):
                assert process.tails.events_after(room, before) is None
                gaps += 1
        assert gaps

    def test_a_server_that_tells_nothing(self) -> None:
        arrivals, _, event, _ = self.told(1, 6)
        taking = Deferred.fromCoroutine(self.intake(arrivals, Peers()).take(event, ORIGIN))
        self.failureResultOf(taking, RemoteFailed)
        assert not arrivals.knows({event.event_id})

    def test_a_server_that_does_not_tell_what_came_between(self) -> None:
        arrivals, story, event, teller = self.told(2, 6)
        for name, path in list(teller.answers):
            if "missing" in path:
                del teller.answers[name, path]
        received = self.result_of(self.intake(arrivals, teller).take(event, ORIGIN))
        assert received.refusal is None or received.refusal.soft, received
        assert arrivals.knows({event.event_id, *story.before[event.event_id].values()})

    def test_what_was_before_the_join_is_no_news(self) -> None:
        for seed in range(3):
            story, join = self.story_with_join(Random(f"old news {seed}"))
            arrivals = self.entered(story, join)
            missed = [story.make(behind=join.event_id) for _ in range(7)]
            event = next(one for one in reversed(missed) if one.event_id not in story.rejected)
            self.result_of(self.intake(arrivals, Teller(story, event.room_id)).take(event, ORIGIN))
            assert arrivals.knows({event.event_id})
            query = "SELECT count(*) FROM room_event WHERE position > 0 AND depth < %(depth)s"
            assert self.result_of(arrivals.process.db.read(_number, query, join.depth)) == 0


def _number(txn: Transaction, query: str, depth: int) -> int:
    row = txn.row(query, depth=depth)
    assert row is not None, "a count is one row"
    return int(row[0])
