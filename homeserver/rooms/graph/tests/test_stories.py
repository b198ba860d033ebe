"""Rooms of any shape: what the store says of every state is what the rules say, whatever the order of arrival.

FOLKMOOT_TEST_STORIES sets how many random rooms there are of each version.
"""

import os
from collections import Counter
from random import Random

import pytest

from homeserver.protocol.errors import Forbidden
from homeserver.protocol.room_versions import ROOM_VERSIONS
from homeserver.rooms.draft import Draft
from homeserver.rooms.graph.tests.arrivals import LENGTH, StoryTestCase, other_order
from homeserver.rooms.graph.tests.stories import USERS, Story
from homeserver.rooms.receive import Received

_STORIES = int(os.environ.get("FOLKMOOT_TEST_STORIES", "6"))


class StoryTests(StoryTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def check(self, version: str, stories: int) -> None:
        counted: Counter[str] = Counter(rejected=0, soft=0, forks=0)
        for seed in range(stories):
            rng = Random(f"{version} {seed}")
            arrivals = self.created(version)
            story = Story(arrivals.first_events(), rng)
            events = [story.make() for _ in range(LENGTH)]
            try:
                for event in events if seed % 2 else other_order(events, rng):
                    arrivals.take(story, event)
            except AssertionError as error:
                raise AssertionError(f"version {version}, seed {seed}: {error}") from error
            counted.update(rejected=len(story.rejected), soft=len(arrivals.soft_failed))
            counted["forks"] += arrivals.most_extremities > 1
        # Stories in which nothing happens show nothing.
        assert stories < 6 or min(counted.values()) >= stories / 3, counted

    def test_version_11(self) -> None:
        self.check("11", _STORIES)

    def test_version_12(self) -> None:
        self.check("12", _STORIES)

    def test_other_versions(self) -> None:
        for version in ROOM_VERSIONS.keys() - {"11", "12"}:
            self.check(version, max(1, _STORIES // 6))

    def test_local_events_follow_all_branches(self) -> None:
        for seed in range(_STORIES):
            arrivals = self.created("12")
            story = Story(arrivals.first_events(), Random(f"local {seed}"))
            while len(arrivals.extremities) < 2:
                arrivals.take(story, story.make())
            state = story.resolved(arrivals.extremities)
            draft = Draft(
                room_id=arrivals.room_id, type="m.room.message", sender=USERS[0], content={"body": "1"}
            )
            membership = story.events[state["m.room.member", USERS[0]]].membership
            if membership != "join":
                self.failureResultOf(arrivals.process.send(draft), Forbidden)
                continue
            sent = self.result_of(arrivals.process.send(draft))
            head = self.result_of(arrivals.process.heads.get(arrivals.room_id))
            assert head.extremities == (sent.event_id,)
            assert set(head.newest[sent.event_id].prev_events) == arrivals.extremities
            before, after = arrivals.states_around(sent.event_id)
            assert before == after == dict(state)

    def test_a_server_that_joins_later(self) -> None:
        for seed in range(_STORIES):
            rng = Random(f"joining {seed}")
            story, event = self.story_with_join(rng)
            arrivals = self.entered(story, event)
            arrivals.compare(story, event)
            for _ in range(LENGTH):
                later = story.make(behind=event.event_id)
                # What it cites from another branch must be here.
                if arrivals.knows({*later.prev_events, *later.auth_events}):
                    arrivals.take(story, later)

    def test_a_create_event_that_is_told_again(self) -> None:
        """It has no place in the timeline of who joined, and everything rests on it."""
        story, join = self.story_with_join(Random("create"))
        arrivals = self.entered(story, join)
        (create,) = [event for event in story.events.values() if event.type == "m.room.create"]
        received = self.result_of(arrivals.receiver.receive(create))
        assert received == Received()
        # What cites it is allowed as before.
        later = story.make(behind=join.event_id)
        while later.event_id in story.rejected or not arrivals.knows(
            {*later.prev_events, *later.auth_events}
        ):
            later = story.make(behind=join.event_id)
        arrivals.take(story, later)

    def test_history_before_the_join(self) -> None:
        for seed in range(_STORIES):
            rng = Random(f"history {seed}")
            story, event = self.story_with_join(rng)
            arrivals = self.entered(story, event)
            history = arrivals.process.history
            placed = 0
            while missing := self.result_of(history.missing(arrivals.room_id)):
                chunk = story.ancestors(missing, rng.randrange(1, 12))
                placed += self.result_of(history.add(arrivals.room_id, chunk, arrivals.given(story, chunk)))
                for one in chunk:
                    arrivals.compare_states(story, one)
            arrivals.compare(story, event)
            timeline = arrivals.timeline()
            assert placed + 1 == len(timeline)
            whole = {one.event_id for one in story.ancestors([event.event_id], len(story.events))}
            assert set(timeline) == whole - story.rejected, seed
            for index, event_id in enumerate(timeline):
                # Branches may be told in any order, but no event before what it follows.
                assert not set(story.events[event_id].prev_events) & set(timeline[index:]), seed
