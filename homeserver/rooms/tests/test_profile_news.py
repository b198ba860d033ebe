from unittest.mock import patch

from homeserver.protocol.errors import ServerUnavailable
from homeserver.rooms.draft import Draft, Sent
from homeserver.rooms.send import EventSender
from homeserver.storage.engine import Row, Transaction
from tests.wire import WireTestCase


def _pending(txn: Transaction) -> list[Row]:
    return txn.rows("SELECT user_nid FROM account_profile_change WHERE reader = 1")


class ProfileNewsTests(WireTestCase):
    """https://spec.matrix.org/v1.19/client-server-api/#events-on-change-of-profile-information"""

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.rooms = [self.alice.create_room(members=[self.bob]) for _ in range(12)]

    def set_name(self, name: str) -> None:
        path = f"/profile/{self.bob.user_id}/displayname"
        self.assertEqual(self.bob.put(path, {"displayname": name}).status, 200)

    def names(self) -> list[str | None]:
        contents = [self.alice.state(room, "m.room.member", self.bob.user_id).json for room in self.rooms]
        return [content.get("displayname") for content in contents]

    def pending(self) -> list[Row]:
        return self.successResultOf(self.server.db.read(_pending))

    def test_every_room_is_told(self) -> None:
        self.set_name("Robert")
        self.assertEqual(self.names(), ["Robert"] * 12)
        self.assertEqual(self.pending(), [])
        self.bob.delete(f"/profile/{self.bob.user_id}/displayname")
        self.assertEqual(self.names(), [None] * 12)

    def test_what_a_stop_interrupted_is_told_after_it(self) -> None:
        async def stopped(*_: object) -> None:
            raise RuntimeError("the process ended")

        with patch.object(EventSender, "send", stopped):
            self.set_name("Robert")
        self.assertEqual(self.names(), ["bob"] * 12)
        self.assertEqual(len(self.pending()), 1)
        self.restart()
        self.advance(60)
        self.assertEqual(self.names(), ["Robert"] * 12)
        self.assertEqual(self.pending(), [])

    def test_a_room_that_is_too_busy_is_told_later(self) -> None:
        send = EventSender.send

        async def busy(sender: EventSender, draft: Draft) -> Sent:
            if draft.room_id == self.rooms[3]:
                raise ServerUnavailable("The room is too busy; try again")
            return await send(sender, draft)

        with patch.object(EventSender, "send", busy):
            self.set_name("Robert")
            self.assertEqual(self.names(), ["Robert"] * 3 + ["bob"] + ["Robert"] * 8)
            # Others do not wait for it.
            path = f"/profile/{self.alice.user_id}/displayname"
            self.alice.put(path, {"displayname": "Alicia"})
            alice = self.bob.state(self.rooms[0], "m.room.member", self.alice.user_id)
            self.assertEqual(alice["displayname"], "Alicia")
        self.assertNotEqual(self.pending(), [])
        self.advance(60)
        self.assertEqual(self.names(), ["Robert"] * 12)
        self.assertEqual(self.pending(), [])

    def test_nobody_is_told_twice(self) -> None:
        self.set_name("Robert")
        since = self.alice.sync().next_batch
        self.set_name("Robert")
        self.assertEqual(self.alice.sync(since).timeline(self.rooms[0]), [])

    def test_rooms_where_the_user_is_not_joined_are_not_told(self) -> None:
        self.bob.leave(self.rooms[0])
        self.set_name("Robert")
        self.assertEqual(self.names(), [None, *["Robert"] * 11])

    def test_who_leaves_meanwhile_is_not_brought_back(self) -> None:
        room = self.alice.create_room(preset="public_chat", members=[self.bob])
        send = EventSender.send
        left: list[int] = []

        async def leaving_first(sender: EventSender, draft: Draft) -> Sent:
            if draft.room_id == room and draft.of_member and not left:
                left.append(self.bob.leave(room).status)
            return await send(sender, draft)

        with patch.object(EventSender, "send", leaving_first):
            self.set_name("Robert")
        self.assertEqual(left, [200])
        self.assertEqual(
            self.alice.state(room, "m.room.member", self.bob.user_id).json, {"membership": "leave"}
        )
        self.assertEqual(self.pending(), [])
