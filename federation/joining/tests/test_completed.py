"""What clients are told of members that came after the join."""

from typing import Any

from federation.joining.tests.neighbours import NeighboursTestCase
from tests.client import Json

YEAR = 365 * 24 * 3600.0
LAZILY = {"room": {"state": {"lazy_load_members": True}, "timeline": {"lazy_load_members": True}}}


class CompletedTests(NeighboursTestCase):
    """Bob has synced while most of the room's members were not known."""

    def setUp(self) -> None:
        super().setUp()
        self.room_id = self.room(name="Town")
        self.others = [self.home.register(f"member{number}") for number in range(4)]
        for other in self.others:
            other.join(self.room_id)
        self.everybody = {one.user_id for one in (self.alice, self.bob, *self.others)}
        self.withhold_members()
        self.join(self.room_id)
        self.settle()
        # Who loads members lazily is not kept waiting for them.
        self.since = self.bob.sync(filter=LAZILY).next_batch

    def synced(self, since: str | None = None, **query: Any) -> Json:
        """The room, as Bob is told of it."""
        return self.bob.sync(self.since if since is None else since, **query).room(self.room_id)

    def members(self, room: Json, section: str = "state") -> set[str]:
        return {one["state_key"] for one in room[section]["events"] if one["type"] == "m.room.member"}

    def changed(self, **query: Any) -> set[str]:
        answer = self.bob.sync(self.since, **query).json
        return set(answer.get("device_lists", {}).get("changed", ()))

    def test_the_members_are_told(self) -> None:
        self.tell_members()
        room = self.synced()
        self.assertEqual(self.members(room), self.everybody)
        self.assertEqual({one["type"] for one in room["state"]["events"]}, {"m.room.member"})
        self.assertEqual(room["timeline"]["events"], [])
        self.assertEqual(room["summary"]["m.joined_member_count"], len(self.everybody))

    def test_who_was_shown_the_room_without_them(self) -> None:
        asked = self.bob.start("GET", "/sync")
        self.reactor.pump([1.0] * 30)
        assert asked.answer is not None
        self.assertLess(
            len(self.members(asked.answer.json["rooms"]["join"][self.room_id])), len(self.everybody)
        )
        self.tell_members()
        self.assertEqual(self.members(self.synced(asked.answer.json["next_batch"])), self.everybody)

    def test_only_once(self) -> None:
        self.tell_members()
        since = self.bob.sync(self.since).next_batch
        self.assertIsNone(self.synced(since))
        self.assertNotIn("device_lists", self.bob.sync(since).json)
        self.others[0].send(self.room_id, "hi")
        self.settle()
        self.assertEqual(self.members(self.synced(since)), set())

    def test_who_waits_is_woken(self) -> None:
        # By nothing but the members: that he is there would wake him, too.
        waiting = self.bob.start_sync(self.since, filter={"presence": {"not_types": ["*"]}})
        self.assertIsNone(waiting.answer)
        self.tell_members()
        assert waiting.answer is not None
        room = waiting.answer.json["rooms"]["join"][self.room_id]
        self.assertEqual(self.members(room), self.everybody)

    def test_who_waited_for_all_members_is_told_once(self) -> None:
        waiting = self.bob.start("GET", "/sync")
        self.tell_members()
        assert waiting.answer is not None
        room = waiting.answer.json["rooms"]["join"][self.room_id]
        self.assertEqual(self.members(room) | self.members(room, "timeline"), self.everybody)
        self.assertIsNone(self.synced(waiting.answer.json["next_batch"]))

    def test_together_with_what_was_said(self) -> None:
        self.tell_members()
        self.others[0].send(self.room_id, "hi")
        renamed, content = self.others[1], {"membership": "join", "displayname": "New"}
        renamed.set_state(self.room_id, "m.room.member", content, renamed.user_id)
        self.settle()
        room = self.synced()
        self.assertEqual(
            [one["type"] for one in room["timeline"]["events"]], ["m.room.message", "m.room.member"]
        )
        self.assertEqual(self.members(room), self.everybody)
        names = {one["state_key"]: one["content"].get("displayname") for one in room["state"]["events"]}
        self.assertNotEqual(names[renamed.user_id], "New")

    def test_after_the_timeline(self) -> None:
        self.tell_members()
        room = self.synced(use_state_after=True)
        self.assertEqual(self.members(room, "state_after"), self.everybody)

    def test_lazy_clients_are_told_how_many(self) -> None:
        self.tell_members()
        room = self.synced(filter=LAZILY)
        self.assertEqual(room["summary"]["m.joined_member_count"], len(self.everybody))
        self.assertLess(len(self.members(room)), len(self.everybody))

    def test_filters_hold(self) -> None:
        self.tell_members()
        room = self.synced(filter={"room": {"state": {"not_types": ["m.room.member"]}}})
        self.assertEqual(room["state"]["events"], [])
        self.assertIsNone(self.synced(filter={"room": {"not_rooms": [self.room_id]}}))

    def test_all_state_has_them_as_well(self) -> None:
        self.tell_members()
        room = self.synced(full_state=True)
        self.assertEqual(self.members(room), self.everybody)
        types = [one["type"] for one in room["state"]["events"] if one["type"] != "m.room.member"]
        self.assertEqual(len(types), len(set(types)))
        self.assertIn("m.room.name", types)

    def test_their_devices_come_into_sight(self) -> None:
        # What Bob shares with them is the room alone.
        self.assertEqual(self.changed() & {one.user_id for one in self.others}, set())
        self.tell_members()
        self.assertEqual(self.changed(filter=LAZILY), self.everybody - {self.bob.user_id})
        upto = self.bob.sync(self.since).next_batch
        told = self.bob.get("/keys/changes", **{"from": self.since, "to": upto})
        self.assertEqual(set(told["changed"]), self.everybody - {self.bob.user_id})

    def test_who_leaves_meanwhile(self) -> None:
        leaving = self.others[0]
        leaving.leave(self.room_id)
        self.settle()
        since = self.since
        self.tell_members()
        told = self.bob.sync(since).json["device_lists"]
        self.assertEqual(set(told["changed"]), self.everybody - {self.bob.user_id, leaving.user_id})
        self.assertEqual(told["left"], [leaving.user_id])

    def test_other_rooms_are_not_told_of(self) -> None:
        elsewhere = self.bob.create_room()
        since = self.bob.sync(filter=LAZILY).next_batch
        self.tell_members()
        self.assertEqual(list(self.bob.sync(since).json["rooms"]["join"]), [self.room_id])
        # Whether anything changed is not in memory any more.
        self.restart()
        told = self.bob.sync(since)
        self.assertEqual(self.members(told.room(self.room_id)), self.everybody)
        self.assertEqual((told.room(elsewhere)["state"]["events"], told.room(elsewhere)["summary"]), ([], {}))
        self.assertEqual(set(told.json["device_lists"]["changed"]), self.everybody - {self.bob.user_id})

    def test_those_who_left_are_not_told(self) -> None:
        self.bob.leave(self.room_id)
        self.settle()
        since = self.bob.sync(filter=LAZILY).next_batch
        self.tell_members()
        self.assertNotIn("rooms", self.bob.sync(since).json)

    def test_a_server_that_stopped_before_it_told(self) -> None:
        self.tell_members()
        since = self.bob.sync().next_batch
        # As if it had been killed then.
        untell = "UPDATE room_completed SET position = NULL"
        self.successResultOf(self.server.db.write(lambda txn: txn.execute(untell)))
        self.restart()
        self.assertIsNone(self.synced(since))
        self.advance(61)
        self.assertEqual(self.members(self.synced(since)), self.everybody)

    def test_it_is_not_remembered_for_ever(self) -> None:
        self.tell_members()
        self.assertEqual(self.count("room_completed"), 1)
        self.advance(YEAR - 3600)
        self.assertEqual(self.count("room_completed"), 1)
        self.advance(2 * 24 * 3600)
        self.assertEqual(self.count("room_completed"), 0)
        self.assertIsNone(self.synced())
