"""Memberships in memory, while they are read and change at the same time."""

from collections.abc import Mapping

import pytest
from twisted.internet.defer import Deferred

from homeserver.rooms.store.members import MemberRow
from homeserver.rooms.tests.process import BOB, RoomsTestCase, SteppedThreads, state
from homeserver.rooms.tests.slow_reads import SlowReads
from tests.databases import fresh_engine

Load = Deferred[Mapping[int, MemberRow]]


class LoadingTests(RoomsTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def setUp(self) -> None:
        engine = fresh_engine()
        maker = self.process(engine, SteppedThreads())
        self.room_id = self.result_of(maker.create_room(invite=[BOB], preset="public_chat"))
        self.threads = SteppedThreads()
        # Another process, because the first one may remember.
        self.rooms = self.process(engine, self.threads)
        self.bob = self.result_of(self.rooms.users.nid_of(BOB))
        self.room = self.result_of(self.rooms.heads.nid_of(self.room_id))
        self.reads = SlowReads(self.rooms.db)
        self.patch(self.rooms.members, "_db", self.reads)

    def load(self) -> Load:
        return Deferred.fromCoroutine(self.rooms.members.rooms_of(self.bob))

    def row(self, load: Load) -> MemberRow:
        return self.successResultOf(load)[self.room]

    def bob_is(self, membership: str) -> None:
        draft = state(self.room_id, "m.room.member", {"membership": membership}, BOB, BOB)
        self.result_of(self.rooms.send(draft))

    def test_several_who_load_at_once_all_get_it(self) -> None:
        """None may make the others begin again for ever."""
        self.threads.halt()
        loads = [self.load() for _ in range(3)]
        for _ in range(20):
            self.threads.step()
        self.assertEqual([self.row(load).membership for load in loads], ["invite"] * 3)

    def test_a_change_while_it_is_read_is_not_lost(self) -> None:
        self.reads.held = True
        loads = [self.load(), self.load()]
        self.bob_is("join")
        loads.append(self.load())
        self.reads.deliver()
        self.assertEqual([self.row(load).membership for load in [*loads, self.load()]], ["join"] * 4)

    def test_what_is_in_memory_follows_every_change(self) -> None:
        self.assertEqual(self.row(self.load()).membership, "invite")
        for membership in ("join", "leave", "join"):
            self.bob_is(membership)
            self.threads.halt()
            self.assertEqual(self.row(self.load()).membership, membership)
            self.threads.go_on()

    def test_a_room_forgotten_while_it_is_read_is_forgotten(self) -> None:
        self.bob_is("leave")
        self.reads.held = True
        load = self.load()
        self.result_of(self.rooms.members.forget(self.room, self.bob))
        self.reads.deliver()
        self.assertTrue(self.row(load).forgotten)
        self.assertTrue(self.row(self.load()).forgotten)

    def test_a_profile_change_begins_no_new_membership(self) -> None:
        self.bob_is("join")
        before = self.row(self.load())
        content = {"membership": "join", "displayname": "Robert"}
        self.result_of(self.rooms.send(state(self.room_id, "m.room.member", content, BOB, BOB)))
        after = self.row(self.load())
        self.assertEqual(after.since, before.since)
        self.assertGreater(after.position, before.position)
