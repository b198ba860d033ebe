"""Rooms that were entered without their members: once these have come, nothing tells them from rooms entered whole."""

from random import Random
from unittest.mock import AsyncMock, patch

import pytest

from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID, ServerName
from homeserver.rooms.graph.tests.arrivals import LENGTH, Arrivals
from homeserver.rooms.graph.tests.stories import Story
from homeserver.rooms.partial import PartialRooms
from homeserver.rooms.rejudging import Rejudging
from homeserver.rooms.relations import Relations
from homeserver.rooms.store.members import summary_counts
from homeserver.rooms.tests.process import Process
from homeserver.rooms.verification.stored import Unreadable
from homeserver.rooms.verification.tests.test_stories import STORIES, StoryVerificationTestCase
from homeserver.runtime.threads import InlineThreads
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import current_position
from tests.databases import fresh_engine

SERVERS = (ServerName("resident.example"), ServerName("other.example"))


class PartialTests(StoryVerificationTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def new_process(self) -> Process:
        process = Process(
            fresh_engine(),
            lambda name, size: InlineThreads(),
            projections=[Relations()],
            rebuildables=[Relations()],
        )
        self.result_of(process.start())
        self.addCleanup(lambda: self.result_of(process.db.close()))
        return process

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
        extremities = set(self.result_of(arrivals.process.heads.get(arrivals.room_id)).extremities)
        return timeline, states, self.members(arrivals), extremities, self.said(arrivals)

    def said(self, arrivals: Arrivals) -> tuple[object, ...]:
        """What relates to what, which threads end with what, what is redacted by what, and what was refused."""

        def read(txn: Transaction) -> tuple[object, ...]:
            related = """
                SELECT e.event_id, r.parent, r.rel_type FROM room_relation r
                JOIN room_event e ON e.nid = r.child ORDER BY e.event_id
            """
            redacted = """
                SELECT e.event_id, r.event_id FROM room_event e JOIN room_event r ON r.nid = e.redacted_by
                ORDER BY e.event_id
            """
            refused = """
                SELECT e.event_id, f.soft FROM room_event e JOIN room_refused_event f ON f.event = e.nid
                ORDER BY e.event_id
            """
            threads = """
                SELECT t.root, e.event_id FROM room_thread t JOIN room_event e ON e.position = t.latest
                ORDER BY t.root
            """
            return tuple(txn.rows(statement) for statement in (related, redacted, refused, threads))

        return self.result_of(arrivals.process.db.read(read))

    def check(self, seed: int, lies: float) -> None:
        rng = Random(f"partial {seed}")
        story, join = self.story_with_join(rng)
        story.lies = lies
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
            self.check(seed, lies=0.05)

    def test_a_room_that_cannot_be_judged_again(self) -> None:
        """It is whole all the same, with what was believed."""
        rng = Random("partial and damaged")
        story, join = self.story_with_join(rng)
        story.lies = 0.5
        arrivals = self.entered_partially(story, join)
        while not self.refused(arrivals):
            later = story.make(behind=join.event_id)
            if arrivals.knows(set(later.prev_events)):
                self.receive(arrivals, story, later)
        timeline = arrivals.timeline()
        with patch.object(Rejudging, "derive_again", side_effect=Unreadable("is damaged")) as derived:
            self.complete(arrivals, story, join)
        derived.assert_called_once()
        assert arrivals.timeline() == timeline

    def test_another_process_that_was_faster(self) -> None:
        """Nothing is told twice, and no member is counted twice."""
        story, join = self.story_with_join(Random("partial and twice"))
        arrivals = self.entered_partially(story, join)
        partial, db = arrivals.process.partial, arrivals.process.db
        (row,) = self.result_of(partial.all())
        self.complete(arrivals, story, join)
        members, position = self.members(arrivals), self.result_of(db.read(current_position))
        with patch.object(PartialRooms, "_row", AsyncMock(return_value=row)):
            self.result_of(partial.complete(row, story.before[join.event_id]))
        assert self.members(arrivals) == members
        assert self.result_of(db.read(current_position)) == position

    def refused(self, arrivals: Arrivals) -> int:
        rows = self.result_of(
            arrivals.process.db.read(lambda txn: txn.rows("SELECT 1 FROM room_refused_event"))
        )
        return len(rows)

    def test_random_rooms_with_liars(self) -> None:
        """Who was banned cites the join from before, and is believed for a while."""
        for seed in range(3 * STORIES):
            self.check(seed, lies=0.5)
