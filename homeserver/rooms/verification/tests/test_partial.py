"""Rooms that were entered without their members: once these have come, nothing tells them from rooms entered whole."""

from random import Random

import pytest

from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID, ServerName
from homeserver.rooms.graph.tests.arrivals import LENGTH, Arrivals
from homeserver.rooms.graph.tests.stories import Story
from homeserver.rooms.store.members import summary_counts
from homeserver.rooms.verification.tests.test_stories import STORIES, StoryVerificationTestCase
from homeserver.storage.engine import Transaction

SERVERS = (ServerName("resident.example"), ServerName("other.example"))


class PartialTests(StoryVerificationTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def entered_partially(self, story: Story, join: Event) -> Arrivals:
        """As a server tells that leaves out what members it can."""
        state = [story.events[one] for one in story.before[join.event_id].values()]
        told = [one for one in state if one.type != "m.room.member" or one.event_id in join.auth_events]
        chain = self.chain(story, join, *told)
        process = self.new_process()
        self.result_of(process.ingest.enter(join, told, chain, SERVERS))
        return Arrivals(self, process, join.room_id)

    def chain(self, story: Story, *events: Event) -> list[Event]:
        chain = LoadedAuthGraph(story.events).auth_chain(one.event_id for one in events)
        return [story.events[one] for one in chain if one not in {event.event_id for event in events}]

    def receive(self, arrivals: Arrivals, story: Story, event: Event) -> None:
        """With what it cites, where that is needed."""
        if not arrivals.knows(set(event.auth_events)):
            self.result_of(arrivals.receiver.add_outliers(event.room_id, self.chain(story, event)))
        self.result_of(arrivals.receiver.receive(event))

    def complete(self, arrivals: Arrivals, story: Story, join: Event) -> None:
        (row,) = self.result_of(arrivals.process.partial.all())
        assert row.event_id == join.event_id
        assert tuple(row.servers) == SERVERS
        state = [story.events[one] for one in story.before[join.event_id].values()]
        told = [*self.chain(story, *state), *state]
        self.result_of(arrivals.receiver.add_outliers(join.room_id, told))
        self.result_of(arrivals.process.partial.complete(row, story.before[join.event_id]))
        assert self.result_of(arrivals.process.partial.all()) == []

    def members(self, arrivals: Arrivals) -> tuple[dict[str, tuple[str, EventID]], tuple[int, int]]:
        """Who is what by which event, and how many are joined and invited."""

        def read(txn: Transaction) -> tuple[dict[str, tuple[str, EventID]], tuple[int, int]]:
            rows = txn.rows(
                """
                SELECT u.user_id, m.membership, e.event_id FROM room_member m
                JOIN known_user u ON u.nid = m.user_nid JOIN room_event e ON e.nid = m.event
                """
            )
            found = {user: (membership, EventID(event_id)) for user, membership, event_id in rows}
            return found, summary_counts(txn, [arrivals.key.nid])[arrivals.key.nid]

        return self.result_of(arrivals.process.db.read(read))

    def outcome(self, arrivals: Arrivals) -> tuple[object, ...]:
        """All that can be seen of a room: its timeline, the states around each event, its members."""
        timeline = arrivals.timeline()
        states = [arrivals.states_around(event_id) for event_id in timeline]
        return timeline, states, self.members(arrivals)

    def check(self, seed: int) -> None:
        rng = Random(f"partial {seed}")
        story, join = self.story_with_join(rng)
        whole = self.entered(story, join)
        received = []
        for _ in range(LENGTH):
            later = story.make(behind=join.event_id)
            if whole.knows({*later.prev_events, *later.auth_events}):
                received.append(later)
                self.result_of(whole.receiver.receive(later))
        expected = self.outcome(whole)
        partial = self.entered_partially(story, join)
        completed = rng.randrange(len(received))
        for number, later in enumerate(received):
            if number == completed:
                self.complete(partial, story, join)
            self.receive(partial, story, later)
        assert self.outcome(partial) == expected
        assert list(self.found(partial).lines()) == []

    def test_random_rooms(self) -> None:
        for seed in range(3 * STORIES):
            self.check(seed)
