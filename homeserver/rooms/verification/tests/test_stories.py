"""Random rooms with forks, refused events, outliers, gaps and history: in whatever order they came, nothing differs."""

import os
from contextlib import closing
from random import Random

import pytest

from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.signing import SigningKey
from homeserver.rooms.graph.tests.arrivals import LENGTH, Arrivals, StoryTestCase, other_order
from homeserver.rooms.graph.tests.stories import RemovingStory, Story
from homeserver.rooms.store.graph import graph_events
from homeserver.rooms.verification.database import verify
from homeserver.rooms.verification.differences import Findings
from homeserver.rooms.verification.rebuilding import rebuild
from homeserver.rooms.verification.stored import Identity

STORIES = int(os.environ.get("FOLKMOOT_TEST_STORIES", "4"))
_IDENTITY = Identity(ServerName("test"), SigningKey("test", b"\x01" * 32))


class StoryVerificationTestCase(StoryTestCase):
    def found(self, arrivals: Arrivals) -> Findings:
        with closing(arrivals.process.engine.connect()) as connection:
            return verify(connection, _IDENTITY, lambda findings, rooms: None)

    def rebuild(self, arrivals: Arrivals) -> list[str]:
        said: list[str] = []
        with closing(arrivals.process.engine.connect()) as connection:
            rebuild(connection, (), 1, said.append)
        return said

    def check_sound(self, arrivals: Arrivals, events: int) -> Findings:
        found = self.found(arrivals)
        assert list(found.lines()) == []
        assert found.events >= events
        return found

    def check_rebuilt(self, arrivals: Arrivals) -> None:
        assert self.rebuild(arrivals) == []
        assert list(self.found(arrivals).lines()) == []


class StoryTests(StoryVerificationTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def check(self, version: str) -> None:
        for seed in range(STORIES):
            rng = Random(f"verified {version} {seed}")
            arrivals = self.created(version)
            story = self.kind(arrivals.first_events(), rng)
            events = [story.make() for _ in range(LENGTH)]
            for event in events if seed % 2 else other_order(events, rng):
                self.result_of(arrivals.receiver.receive(event))
            found = self.check_sound(arrivals, LENGTH)
            # All of it is known here.
            assert found.unchecked.total() == 0
            self.check_rebuilt(arrivals)

    def test_version_11(self) -> None:
        self.check("11")

    def test_version_12(self) -> None:
        self.check("12")

    def test_a_server_that_joins_later(self) -> None:
        for seed in range(STORIES):
            rng = Random(f"verified joining {seed}")
            story, event = self.story_with_join(rng)
            arrivals = self.entered(story, event)
            for _ in range(LENGTH):
                later = story.make(behind=event.event_id)
                if arrivals.knows({*later.prev_events, *later.auth_events}):
                    self.result_of(arrivals.receiver.receive(later))
            self.check_sound(arrivals, LENGTH // 2)
            self.check_rebuilt(arrivals)

    def test_history(self) -> None:
        for seed in range(STORIES):
            rng = Random(f"verified history {seed}")
            story, event = self.story_with_join(rng)
            arrivals = self.entered(story, event)
            process = arrivals.process
            history = process.history
            while missing := self.result_of(history.missing(arrivals.room_id)):
                chunk = story.ancestors(missing, rng.randrange(1, 12))
                self.result_of(history.add(arrivals.room_id, chunk, arrivals.given(story, chunk)))
                self.check_sound(arrivals, 1)
            self.check_rebuilt(arrivals)

    def test_gaps(self) -> None:
        """Some events come after those that follow them: alone, or as history."""
        filled = 0
        for seed in range(STORIES):
            rng = Random(f"verified gaps {seed}")
            arrivals = self.created(rng.choice(("11", "12")))
            story = self.kind(arrivals.first_events(), rng)
            events = [story.make() for _ in range(LENGTH)]
            late = rng.sample(events[: LENGTH // 2], 6)
            for event in events:
                if event not in late:
                    self.receive(arrivals, story, event)
                if rng.random() < 0.1:
                    filled += self.fill_gap(arrivals, story, rng)
                    self.check_sound(arrivals, 1)
            for event in late:
                self.receive(arrivals, story, event)
            self.check_sound(arrivals, LENGTH)
            self.check_rebuilt(arrivals)
        assert filled

    def receive(self, arrivals: Arrivals, story: Story, event: Event) -> None:
        """With the state before it where what it follows has no place here."""
        near = self.result_of(arrivals.process.db.read(graph_events, event.prev_events))
        has_gap = any(prev not in near or near[prev].states is None for prev in event.prev_events)
        given = arrivals.given(story, [event])[event.event_id] if has_gap else None
        cited = [story.events[one] for one in LoadedAuthGraph(story.events).auth_chain(event.auth_events)]
        self.result_of(arrivals.receiver.add_outliers(arrivals.room_id, cited))
        self.result_of(arrivals.receiver.receive(event, given))

    def fill_gap(self, arrivals: Arrivals, story: Story, rng: Random) -> int:
        process = arrivals.process
        history = process.history
        missing = self.result_of(history.missing(arrivals.room_id))
        if not missing:
            return 0
        chunk = story.ancestors([rng.choice(sorted(missing))], rng.randrange(1, 6))
        return self.result_of(history.add(arrivals.room_id, chunk, arrivals.given(story, chunk)))


class RemovalStoryTests(StoryTests):
    """With kicks and bans that redact."""

    kind = RemovingStory
