"""What is derived from the words of events is the same however they came: as news, late, or as history.

FOLKMOOT_TEST_STORIES sets how many random rooms there are.
"""

import os
from collections.abc import Collection
from random import Random

import pytest

from homeserver.protocol.auth_graph import auth_event_ids
from homeserver.protocol.event import Event
from homeserver.protocol.event_auth import redaction_applies
from homeserver.protocol.identifiers import EventID, UserID
from homeserver.protocol.power_levels import power_levels
from homeserver.protocol.removals import removal_redacts, user_to_redact
from homeserver.rooms.graph.tests.arrivals import LENGTH, Arrivals, StoryTestCase, other_order
from homeserver.rooms.graph.tests.stories import RemovingStory, Story
from homeserver.rooms.relations import Relations
from homeserver.rooms.tests.process import Process
from homeserver.runtime.threads import InlineThreads
from homeserver.search.message_index import MessageIndex
from homeserver.storage.engine import Transaction
from tests.databases import fresh_engine

_STORIES = int(os.environ.get("FOLKMOOT_TEST_STORIES", "6"))
_IN_TIMELINE = "FROM room_event e {} WHERE e.event_id IN %(timeline)s"
_REDACTED = f"SELECT e.event_id {_IN_TIMELINE.format('')} AND e.redacted_by IS NOT NULL"
_SEARCHED = f"SELECT e.event_id {_IN_TIMELINE.format('JOIN search_message m ON m.event = e.nid')}"
_RELATED = f"SELECT e.event_id, r.parent {_IN_TIMELINE.format('JOIN room_relation r ON r.child = e.nid')}"


class WhatWasSaidTests(StoryTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def new_process(self) -> Process:
        process = Process(
            fresh_engine(),
            lambda name, size: InlineThreads(),
            remembering=[Relations(), MessageIndex()],
        )
        self.result_of(process.start())
        self.addCleanup(lambda: self.result_of(process.db.close()))
        return process

    def test_in_any_order(self) -> None:
        redacted = 0
        for seed in range(_STORIES):
            rng = Random(f"said {seed}")
            arrivals = self.created(rng.choice(("9", "11", "12")))
            story = Story(arrivals.first_events(), rng)
            events = [story.make() for _ in range(LENGTH)]
            for event in other_order(events, rng):
                arrivals.take(story, event)
            redacted += len(self.compare(arrivals, story))
        assert redacted

    def test_history_in_chunks(self) -> None:
        redacted = 0
        for seed in range(_STORIES):
            rng = Random(f"said before {seed}")
            story, join = self.story_with_join(rng)
            arrivals = self.entered(story, join)
            while missing := self.result_of(arrivals.process.history.missing(arrivals.room_id)):
                chunk = story.ancestors(missing, rng.randrange(1, 12))
                given = arrivals.given(story, chunk)
                self.result_of(arrivals.process.history.add(arrivals.room_id, chunk, given))
                redacted += len(self.compare(arrivals, story))
        assert redacted

    def test_history_of_who_was_removed(self) -> None:
        """Kicks and bans that redact, and stood when the room was entered, redact what comes after them."""
        self.kind = RemovingStory
        redacted = 0
        for seed in range(_STORIES):
            rng = Random(f"removed before {seed}")
            story, join = self.story_with_join(rng)
            removed = self.removed(story, join)
            arrivals = self.entered(story, join)
            while missing := self.result_of(arrivals.process.history.missing(arrivals.room_id)):
                chunk = story.ancestors(missing, rng.randrange(1, 12))
                given = arrivals.given(story, chunk)
                self.result_of(arrivals.process.history.add(arrivals.room_id, chunk, given))
            timeline = arrivals.timeline()
            theirs = {one for one in timeline if story.events[one].sender in removed}
            assert theirs <= self.stored(arrivals, _REDACTED, timeline)
            assert not theirs & self.stored(arrivals, _SEARCHED, timeline)
            redacted += len(theirs)
        assert redacted

    def removed(self, story: Story, join: Event) -> set[UserID]:
        """Whose events are redacted in the state before a join."""
        state = [story.events[event_id] for event_id in story.before[join.event_id].values()]
        found = set()
        for event in state:
            user_id = user_to_redact(event)
            cited = [story.events[event_id] for event_id in auth_event_ids(event)]
            if user_id is not None and user_id != join.sender and removal_redacts(event, cited):
                found.add(user_id)
        return found

    def compare(self, arrivals: Arrivals, story: Story) -> Collection[EventID]:
        """Compares what is stored with what the events of the timeline say; which of them are redacted."""
        timeline = arrivals.timeline()
        redacted = self.redacted(story, timeline)
        kept = [event_id for event_id in timeline if event_id not in redacted]
        contents = {event_id: story.events[event_id].content for event_id in kept}
        related = {
            (event_id, relation["event_id"])
            for event_id, content in contents.items()
            if (relation := content.get("m.relates_to"))
        }
        searched = {event_id for event_id in kept if contents[event_id].keys() & {"body", "topic", "name"}}
        assert self.stored(arrivals, _REDACTED, timeline) == redacted
        assert self.stored(arrivals, _RELATED, timeline) == related
        assert self.stored(arrivals, _SEARCHED, timeline) == searched
        return redacted

    def redacted(self, story: Story, timeline: Collection[EventID]) -> set[EventID]:
        redacted = set()
        for redaction in (story.events[event_id] for event_id in timeline):
            target = redaction.redacts
            if redaction.type != "m.room.redaction" or target is None or target not in timeline:
                continue
            before = {slot: story.events[one] for slot, one in story.before[redaction.event_id].items()}
            if redaction_applies(redaction, story.events[target], power_levels(before, redaction.version)):
                redacted.add(target)
        return redacted

    def stored(self, arrivals: Arrivals, query: str, timeline: Collection[EventID]) -> set[object]:
        def read(txn: Transaction) -> set[object]:
            rows = txn.rows(query, timeline=list(timeline))
            return {row[0] if len(row) == 1 else tuple(row) for row in rows}

        return self.result_of(arrivals.process.db.read(read))
