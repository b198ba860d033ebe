"""Servers to which the events of random rooms come in some order."""

from collections.abc import Sequence
from random import Random

from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.event import Slot
from homeserver.protocol.events import Event, from_stored
from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.rooms.graph.auth_graph import RoomKey
from homeserver.rooms.graph.resolution import Resolver
from homeserver.rooms.graph.tests.stories import USERS, StateIDs, Story
from homeserver.rooms.reading import timeline_events
from homeserver.rooms.store.events import event_by_id, event_ids, stored_pdus
from homeserver.rooms.store.graph import graph_events
from homeserver.rooms.store.heads import head_by_room_id
from homeserver.rooms.store.members import member_row
from homeserver.rooms.store.overrides import StateRef
from homeserver.rooms.store.spans import slot_names
from homeserver.rooms.tests.process import Process, RoomsTestCase
from homeserver.rooms.visibility import visible_events
from homeserver.runtime.threads import InlineThreads
from homeserver.storage.engine import Transaction
from tests.databases import fresh_engine

LENGTH = 40
"""Events of a story."""


class Arrivals:
    """One server to which the events of a story come in some order."""

    def __init__(self, case: "StoryTestCase", process: Process, room_id: RoomID) -> None:
        self.case = case
        self.process = process
        self.room_id = room_id
        head = case.result_of(process.heads.get(room_id))
        self.key = RoomKey(head.nid, head.room_id, head.version)
        self.receiver = process.receiver
        self.extremities = set(head.extremities)
        self.most_extremities = 1
        self.soft_failed: set[EventID] = set()

    def first_events(self) -> list[Event]:
        def read(txn: Transaction) -> list[Event]:
            rows = txn.rows("SELECT event_id FROM room_event ORDER BY position")
            stored = stored_pdus(txn, self.key.nid, [EventID(row[0]) for row in rows])
            pdus = {pdu.event_id: pdu for pdu in stored}
            ordered = [pdus[EventID(row[0])] for row in rows]
            return [from_stored(p.client, p.federation, self.room_id, self.key.version) for p in ordered]

        return self.case.result_of(self.process.db.read(read))

    def take(self, story: Story, event: Event) -> None:
        """Brings one event in and compares all that changed with what the rules say."""
        current = story.resolved(self.extremities)
        received = self.case.result_of(self.receiver.receive(event))
        if event.event_id in story.rejected:
            assert received.refusal is not None, received
            assert not received.refusal.soft, received
        elif not story.is_allowed(event, current):
            assert received.refusal is not None, received
            assert received.refusal.soft, received
            self.soft_failed.add(event.event_id)
        else:
            assert received.refusal is None, received
            self.extremities = {*self.extremities - self._followed(story, event), event.event_id}
            self.compare_sight(story, event)
            self.most_extremities = max(self.most_extremities, len(self.extremities))
        self.compare(story, event)

    def knows(self, wanted: set[EventID]) -> bool:
        return wanted <= self.case.result_of(self.process.db.read(graph_events, wanted)).keys()

    def compare_sight(self, story: Story, event: Event) -> None:
        """Who may see the event, of those who were not always in the room."""

        def read(txn: Transaction) -> set[UserID]:
            row = event_by_id(txn, event.event_id)
            assert row is not None
            events = timeline_events(txn, [row])
            seeing = set()
            for user_id in USERS:
                (nid,) = txn.row("SELECT nid FROM known_user WHERE user_id = %(id)s", id=user_id) or (0,)
                member = member_row(txn, self.key.nid, nid)
                if visible_events(txn, self.key.nid, user_id, member, events):
                    seeing.add(user_id)
            return seeing

        expected = {user_id for user_id in USERS if story.may_see(user_id, event)}
        seeing = self.case.result_of(self.process.db.read(read))
        # What is shared is also for those who joined later, on whatever branch.
        assert seeing >= expected if story.is_shared(event) else seeing == expected

    def _followed(self, story: Story, event: Event) -> set[EventID]:
        followed: set[EventID] = set()
        pending = set(event.prev_events)
        while pending:
            followed |= pending
            refused = pending & (self.soft_failed | story.rejected)
            pending = {prev for one in refused for prev in story.events[one].prev_events} - followed
        return followed

    def given(self, story: Story, events: Sequence[Event]) -> dict[EventID, StateIDs]:
        """The states before events, of which all that is in them is brought in."""
        given = {event.event_id: story.before[event.event_id] for event in events if event.prev_events}
        told = {event_id for state in given.values() for event_id in state.values()}
        chain = LoadedAuthGraph(story.events).auth_chain({*told, *(event.event_id for event in events)})
        outliers = [story.events[event_id] for event_id in chain if story.events[event_id] not in events]
        self.case.result_of(self.receiver.add_outliers(self.room_id, outliers))
        return given

    def timeline(self) -> list[EventID]:
        def read(txn: Transaction) -> list[EventID]:
            rows = txn.rows("SELECT event_id FROM room_event WHERE position IS NOT NULL ORDER BY position")
            return [EventID(event_id) for (event_id,) in rows]

        return self.case.result_of(self.process.db.read(read))

    def states_around(self, event_id: EventID) -> list[dict[Slot, EventID]]:
        """Before and after an event."""
        states, _, _ = self.case.result_of(self.process.db.read(self._states, event_id))
        assert states is not None
        return states

    def compare_states(self, story: Story, event: Event) -> None:
        before, after = self.states_around(event.event_id)
        assert before == dict(story.before[event.event_id])
        assert after == dict(story.after[event.event_id])

    def compare(self, story: Story, event: Event) -> None:
        self.compare_states(story, event)
        _, current, members = self.case.result_of(self.process.db.read(self._states, event.event_id))
        expected = story.resolved(self.extremities)
        assert current == dict(expected)
        head = self.case.result_of(self.process.heads.get(self.room_id))
        for slot, one in head.state.items():
            assert (None if one is None else one.event_id) == expected.get(slot), slot
        joined = {slot[1] for slot, one in expected.items() if story.events[one].membership == "join"}
        assert members == joined

    def _states(
        self, txn: Transaction, event_id: EventID
    ) -> tuple[list[dict[Slot, EventID]] | None, dict[Slot, EventID], set[str]]:
        states = graph_events(txn, [event_id])[event_id].states
        row = head_by_room_id(txn, self.room_id)
        assert row is not None
        around = None if states is None else [self._named(txn, ref) for ref in states]
        joined = txn.rows(
            """
            SELECT u.user_id FROM room_member m JOIN known_user u ON u.nid = m.user_nid
            WHERE m.membership = 'join'
            """
        )
        return around, self._named(txn, StateRef(row.state_line)), {user_id for (user_id,) in joined}

    def _named(self, txn: Transaction, ref: StateRef) -> dict[Slot, EventID]:
        resolver = Resolver(txn, self.key)
        values = resolver.all_values(resolver.read(ref))
        names, ids = slot_names(txn, values), event_ids(txn, values.values())
        return {names[slot]: ids[nid] for slot, nid in values.items()}


def other_order(events: Sequence[Event], rng: Random) -> list[Event]:
    """A random order in which all that an event refers to comes before it."""
    among, waiting = {event.event_id for event in events}, list(events)
    ordered: list[Event] = []
    done: set[EventID] = set()
    while waiting:
        ready = [e for e in waiting if ({*e.prev_events, *e.auth_events} & among) <= done]
        event = rng.choice(ready)
        waiting.remove(event)
        ordered.append(event)
        done.add(event.event_id)
    return ordered


class StoryTestCase(RoomsTestCase):
    kind: type[Story] = Story

    def new_process(self) -> Process:
        return self.process(fresh_engine(), InlineThreads())

    def created(self, version: str) -> Arrivals:
        """At the server that made the room."""
        process = self.new_process()
        wish = {"room_version": version, "invite": list(USERS[1:]), "preset": "public_chat"}
        return Arrivals(self, process, self.result_of(process.create_room(**wish)))

    def entered(self, story: Story, join: Event) -> Arrivals:
        """At a server that comes in with a join, and is told the state before it."""
        state = [story.events[event_id] for event_id in story.before[join.event_id].values()]
        chain = LoadedAuthGraph(story.events).auth_chain(event.event_id for event in (join, *state))
        process = self.new_process()
        auth_chain = [story.events[event_id] for event_id in chain if event_id != join.event_id]
        self.result_of(process.ingest.enter(join, state, auth_chain))
        return Arrivals(self, process, join.room_id)

    def story_with_join(self, rng: Random) -> tuple[Story, Event]:
        """A story that is long enough and ends with somebody's join."""
        while True:
            story = self.kind(self.created(rng.choice(("11", "12"))).first_events(), rng)
            for _ in range(LENGTH):
                event = story.make()
                is_allowed = event.event_id not in story.rejected
                if event.membership == "join" and is_allowed and len(story.events) > LENGTH / 2:
                    return story, event
