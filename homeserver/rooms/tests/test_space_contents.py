"""Spaces in memory, while they are read and change at the same time."""

import pytest
from twisted.internet.defer import Deferred

from homeserver.protocol.identifiers import RoomID
from homeserver.rooms.space_children import SpaceChildren
from homeserver.rooms.space_contents import SpaceContents
from homeserver.rooms.tests.process import RoomsTestCase, SteppedThreads, state
from homeserver.rooms.tests.slow_reads import SlowReads
from homeserver.storage.database import Database
from tests.databases import fresh_engine


class SpaceContentsTests(RoomsTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def setUp(self) -> None:
        engine, threads = fresh_engine(), SteppedThreads()
        self.reads = SlowReads(Database(engine, lambda name, size: threads))
        self.contents = SpaceContents(self.reads, 1_000_000)  # type: ignore[arg-type]  # it reads alike
        self.rooms = self.process(engine, threads, [SpaceChildren(), self.contents])
        self.outer, self.inner = self.new_room(), self.new_room()
        self.put(self.inner, self.outer)

    def new_room(self) -> RoomID:
        return self.result_of(self.rooms.create_room())

    def put(self, child: RoomID, into: RoomID) -> None:
        self.result_of(self.rooms.send(state(into, "m.space.child", {"via": ["test"]}, child)))

    def read(self) -> Deferred[list[tuple[RoomID, bool]]]:
        """The children of the outer space, and whether they have children."""

        async def children() -> list[tuple[RoomID, bool]]:
            space = await self.rooms.heads.nid_of(self.outer)
            return [(child.room_id, child.is_parent) for child in (await self.contents.of([space]))[space]]

        return Deferred.fromCoroutine(children())

    def test_what_is_known_is_not_read_again(self) -> None:
        self.result_of(self.read())
        self.reads.held = True
        self.assertEqual(self.successResultOf(self.read()), [(self.inner, False)])

    def test_a_change_while_it_is_read_is_not_lost(self) -> None:
        self.reads.held = True
        reading = [self.read(), self.read()]
        room = self.new_room()
        self.put(room, self.outer)
        self.reads.deliver()
        self.assertEqual([self.successResultOf(each) for each in reading], [[(self.inner, False)]] * 2)
        self.assertEqual(len(self.result_of(self.read())), 2)

    def test_a_change_of_a_child_while_it_is_read_is_not_lost(self) -> None:
        self.reads.held = True
        reading = self.read()
        self.put(self.new_room(), self.inner)
        self.reads.deliver()
        self.assertEqual(self.successResultOf(reading), [(self.inner, False)])
        self.assertEqual(self.result_of(self.read()), [(self.inner, True)])

    def test_spaces_that_are_too_large_are_read_each_time(self) -> None:
        self.contents = SpaceContents(self.reads, 500)  # type: ignore[arg-type]  # it reads alike
        self.result_of(self.read())
        self.reads.held = True
        self.assertNoResult(self.read())
