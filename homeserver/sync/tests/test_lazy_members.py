"""/sync at the wire with lazy_load_members.

https://spec.matrix.org/v1.19/client-server-api/#lazy-loading-room-members
"""

from typing import Any

from tests.client import SyncAnswer
from tests.wire import WireClient, WireTestCase

Json = Any


class LazyMembersTestCase(WireTestCase):
    """A room of five, who were all there before the oldest event that is told."""

    def setUp(self) -> None:
        super().setUp()
        names = ("alice", "bob", "carol", "dave", "erin")
        self.alice, self.bob, self.carol, self.dave, self.erin = map(self.register, names)
        members = [self.bob, self.carol, self.dave, self.erin]
        self.room_id = self.alice.create_room(members=members, name="named")

    def sync(
        self, since: str | None = None, *, limit: int = 1, redundant: bool = False, **query: Any
    ) -> SyncAnswer:
        """Bob's, with as many events as `limit`."""
        state = {"lazy_load_members": True, "include_redundant_members": redundant}
        wish = {"room": {"timeline": {"limit": limit}, "state": state}}
        return self.bob.sync(since, filter=wish, **query)

    def members(self, answer: SyncAnswer) -> set[str]:
        """The local parts of the members told as state."""
        state = answer.state(self.room_id)
        return {event["state_key"][1:-5] for event in state if event["type"] == "m.room.member"}

    def send(self, sender: WireClient) -> None:
        sender.send(self.room_id, "hello")


class InitialTests(LazyMembersTestCase):
    def test_senders_and_oneself(self) -> None:
        self.send(self.carol)
        answer = self.sync()
        self.assertEqual(self.members(answer), {"bob", "carol"})
        self.assertEqual(len(answer.state(self.room_id)), 6 + 2)

    def test_every_initial_sync_tells_them(self) -> None:
        self.send(self.carol)
        for _ in range(2):
            self.assertEqual(self.members(self.sync()), {"bob", "carol"})

    def test_full_state(self) -> None:
        self.send(self.carol)
        since = self.sync().next_batch
        self.assertEqual(self.members(self.sync(since, full_state=True)), {"bob"})

    def test_heroes(self) -> None:
        self.alice.set_state(self.room_id, "m.room.name", {})
        self.send(self.erin)
        answer = self.sync()
        heroes = [user_id[1:-5] for user_id in answer.room(self.room_id)["summary"]["m.heroes"]]
        self.assertEqual(heroes, ["alice", "carol", "dave", "erin"])
        self.assertEqual(self.members(answer), {"bob", *heroes})

    def test_with_state_after(self) -> None:
        self.send(self.carol)
        state = self.sync(use_state_after=True).room(self.room_id)["state_after"]["events"]
        members = {event["state_key"] for event in state if event["type"] == "m.room.member"}
        self.assertEqual(members, {self.bob.user_id, self.carol.user_id})


class IncrementalTests(LazyMembersTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.send(self.alice)
        self.since = self.sync().next_batch

    def test_new_senders_once(self) -> None:
        self.send(self.carol)
        answer = self.sync(self.since)
        self.assertEqual(self.members(answer), {"carol"})
        for sender in (self.carol, self.alice):
            self.send(sender)
            answer = self.sync(answer.next_batch)
            self.assertEqual(self.members(answer), set())

    def test_an_answer_that_was_lost_is_told_again(self) -> None:
        self.send(self.carol)
        self.sync(self.since)
        self.send(self.dave)
        self.assertEqual(self.members(self.sync(self.since, limit=5)), {"carol", "dave"})

    def test_redundant_members_where_they_are_wanted(self) -> None:
        self.send(self.carol)
        since = self.sync(self.since).next_batch
        self.send(self.carol)
        self.assertEqual(self.members(self.sync(since, redundant=True)), {"carol"})

    def test_each_device_has_its_own(self) -> None:
        self.send(self.carol)
        self.sync(self.since)
        wish = {"room": {"state": {"lazy_load_members": True}}}
        phone = self.log_in(self.bob, "PHONE")
        self.assertEqual(self.members(phone.sync(self.since, filter=wish)), {"carol"})

    def test_who_came_in_the_timeline_needs_no_state(self) -> None:
        frank = self.register("frank")
        self.alice.invite(self.room_id, frank)
        since = self.sync(self.since, limit=5).next_batch
        frank.join(self.room_id)
        self.send(frank)
        answer = self.sync(since, limit=5)
        self.assertEqual(answer.timeline(self.room_id)[0]["type"], "m.room.member")

    def test_changes_in_a_gap_are_told_though_nobody_needs_them(self) -> None:
        self.erin.leave(self.room_id)
        self.dave.put(f"/profile/{self.dave.user_id}/displayname", {"displayname": "Dave"})
        self.send(self.alice)
        # With counts, heroes may come too.
        self.assertLessEqual({"dave", "erin"}, self.members(self.sync(self.since)))

    def test_a_known_member_who_changed_in_a_gap(self) -> None:
        self.alice.put(f"/profile/{self.alice.user_id}/displayname", {"displayname": "Alice"})
        for sender in (self.carol, self.alice):
            self.send(sender)
        state = self.sync(self.since, limit=1).state(self.room_id)
        (event,) = [event for event in state if event["state_key"] == self.alice.user_id]
        self.assertEqual(event["content"]["displayname"], "Alice")

    def test_oneself_on_coming_back(self) -> None:
        self.bob.leave(self.room_id)
        self.alice.invite(self.room_id, self.bob)
        since = self.sync(self.since).next_batch
        self.bob.join(self.room_id)
        self.send(self.carol)
        # Alice was told before the absence, in which she may have changed.
        self.assertEqual(self.members(self.sync(since)), {"alice", "bob", "carol"})

    def test_after_a_restart_they_are_told_again(self) -> None:
        self.send(self.carol)
        since = self.sync(self.since).next_batch
        self.restart()
        self.send(self.carol)
        self.assertEqual(self.members(self.sync(since)), {"carol"})
