"""Random rooms with forks, refused events, outliers, gaps and history: in whatever order they came, nothing differs."""

import os
from contextlib import closing
from random import Random

import pytest

from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.signing import SigningKey
from homeserver.rooms.graph.tests.arrivals import LENGTH, Arrivals, StoryTestCase, other_order
from homeserver.rooms.graph.tests.stories import Story
from homeserver.rooms.history import History
from homeserver.rooms.verification.database import verify
from homeserver.rooms.verification.differences import Findings
from homeserver.rooms.verification.rebuilding import rebuild
from homeserver.rooms.verification.stored import Identity
from homeserver.runtime.locks import KeyedLocks

_STORIES = int(os.environ.get("FOLKMOOT_TEST_STORIES", "4"))
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
        for seed in range(_STORIES):
            rng = Random(f"verified {version} {seed}")
            arrivals = self.created(version)
            story = Story(arrivals.first_events(), rng)
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
        for seed in range(_STORIES):
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
        for seed in range(_STORIES):
            rng = Random(f"verified history {seed}")
            story, event = self.story_with_join(rng)
            arrivals = self.entered(story, event)
            process = arrivals.process
            history = History(process.heads, process.ingest, process.tails, process.db, KeyedLocks())
            while missing := self.result_of(history.missing(arrivals.room_id)):
                chunk = story.ancestors(missing, rng.randrange(1, 12))
                self.result_of(history.add(arrivals.room_id, chunk, arrivals.given(story, chunk)))
                self.check_sound(arrivals, 1)
            self.check_rebuilt(arrivals)
