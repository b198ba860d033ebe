"""Events whose predecessors are not here, of random rooms with forks."""

from random import Random
from typing import cast
from urllib.parse import quote

import pytest
from twisted.internet.defer import Deferred

from federation.client.events import EventCalls
from federation.incoming.intake import EventIntake
from federation.incoming.outliers import Outliers
from federation.incoming.pdu_checks import PduChecks
from federation.incoming.remote_states import RemoteStates
from federation.keyring import Keyring
from federation.tests.peers import Peers
from federation.transport import Call, Transport
from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.errors import RemoteFailed
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID, ServerName
from homeserver.protocol.json import JsonObject
from homeserver.protocol.signing import SignatureInvalid
from homeserver.rooms.graph.tests.arrivals import Arrivals, StoryTestCase
from homeserver.rooms.graph.tests.stories import Story
from homeserver.runtime.threads import InlineThreads

ORIGIN = ServerName("origin.example")
_V1 = "/_matrix/federation/v1"


class Trusting:
    """A keyring for events of which the signatures are tested elsewhere."""

    async def verify_events(self, events: list[Event]) -> list[SignatureInvalid | None]:
        return [None for _ in events]


class Teller(Peers):
    """Another server, which knows the whole story."""

    def __init__(self, story: Story, room_id: str) -> None:
        super().__init__()
        self.story = story
        room = quote(room_id, safe="")
        answers = {
            "get_missing_events": self.missing_events,
            "state_ids": self.state_ids,
            "state": self.state,
        }
        for name, answer in answers.items():
            self.answers[ORIGIN, f"{_V1}/{name}/{room}"] = answer
        for event_id, event in story.events.items():
            quoted = quote(event_id, safe="")
            self.says(ORIGIN, f"{_V1}/event/{quoted}", {"pdus": [event.pdu()]})
            self.says(
                ORIGIN, f"{_V1}/event_auth/{room}/{quoted}", {"auth_chain": self.pdus(self.chain(event))}
            )

    def pdus(self, event_ids: set[EventID]) -> list[JsonObject]:
        return [self.story.events[event_id].pdu() for event_id in event_ids]

    def chain(self, *events: Event) -> set[EventID]:
        known = LoadedAuthGraph(self.story.events).auth_chain(one.event_id for one in events)
        return known - {one.event_id for one in events}

    def told(self, call: Call) -> tuple[set[EventID], set[EventID]]:
        state = set(self.story.before[EventID(str((call.query or {})["event_id"]))].values())
        return state, self.chain(*(self.story.events[one] for one in state))

    def state_ids(self, call: Call) -> JsonObject:
        state, chain = self.told(call)
        return {"pdu_ids": sorted(state), "auth_chain_ids": sorted(chain)}

    def state(self, call: Call) -> JsonObject:
        state, chain = self.told(call)
        return {"pdus": self.pdus(state), "auth_chain": self.pdus(chain)}

    def missing_events(self, call: Call) -> JsonObject:
        asked = call.content or {}
        (latest,) = asked["latest_events"]
        known = {one.event_id for one in self.story.ancestors(asked["earliest_events"], 10_000)}
        ancestors = self.story.ancestors(self.story.events[latest].prev_events, 10_000)
        return {"events": [one.pdu() for one in ancestors if one.event_id not in known][-asked["limit"] :]}


class IntakeTests(StoryTestCase):
    def intake(self, arrivals: Arrivals, peers: Peers) -> EventIntake:
        process = arrivals.process
        calls = EventCalls(cast(Transport, _Asking(peers)))
        checks = PduChecks(cast(Keyring, Trusting()), InlineThreads())
        outliers = Outliers(process.heads, arrivals.receiver, process.db, InlineThreads())
        states = RemoteStates(calls, checks, outliers, process.heads, process.db)
        return EventIntake(arrivals.receiver, states, calls, checks, process.heads)

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


class _Asking(Transport):
    """The real reading of answers, on what peers say."""

    def __init__(self, peers: Peers) -> None:
        self.send = peers.send  # type: ignore[method-assign]  # what follows is not what is tested


pytestmark = pytest.mark.wire
