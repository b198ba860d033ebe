"""/sync at the wire with filters."""

from typing import Any

from homeserver.sync.tests.test_sync import TOPIC, SyncTestCase, ids
from tests.client import SyncAnswer
from tests.wire import WireClient

Json = Any


class FilterTestCase(SyncTestCase):
    def sync(self, since: str | None = None, **room: Json) -> SyncAnswer:
        """Bob's, with a filter for rooms."""
        return self.bob.sync(since, filter={"room": room})

    def topics(self, answer: SyncAnswer) -> list[str]:
        """As told by state and then by timeline."""
        events = [*answer.state(self.room_id), *answer.timeline(self.room_id)]
        return [event["content"]["topic"] for event in events if event["type"] == TOPIC]


class TimelineTests(FilterTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.since = self.bob.sync().next_batch

    def test_types(self) -> None:
        self.alice.send(self.room_id, "x", "org.example.a")
        message = self.alice.send(self.room_id, "x")
        for wish in ({"types": ["m.room.*"]}, {"not_types": ["org.*"]}, {"types": ["*.message"]}):
            for since in (self.since, None):
                told = ids(self.sync(since, timeline=wish).timeline(self.room_id))
                self.assertEqual(told[-1:], [message])
        self.assertEqual(self.sections(self.sync(self.since, timeline={"types": []})), {})

    def test_senders(self) -> None:
        by_alice, by_bob = self.alice.send(self.room_id, "x"), self.bob.send(self.room_id, "x")
        for wish, told in (
            ({"senders": [self.alice.user_id]}, [by_alice]),
            ({"not_senders": [self.alice.user_id]}, [by_bob]),
            ({"senders": [self.alice.user_id], "not_senders": [self.alice.user_id]}, []),
        ):
            self.assertEqual(ids(self.sync(self.since, timeline=wish).timeline(self.room_id)), told)

    def test_urls(self) -> None:
        self.alice.send(self.room_id, "x")
        path = f"/rooms/{self.room_id}/send/m.room.message/p"
        picture = self.alice.put(path, {"url": "mxc://test/x"})["event_id"]
        answer = self.sync(self.since, timeline={"contains_url": True})
        self.assertEqual(ids(answer.timeline(self.room_id)), [picture])

    def test_limit_counts_what_passes(self) -> None:
        messages = self.send(3)
        for _ in range(30):
            self.alice.send(self.room_id, "x", "org.example")
        for since in (self.since, None):
            timeline = self.sync(since, timeline={"limit": 2, "types": ["m.room.message"]}).room(self.room_id)
            self.assertEqual(ids(timeline["timeline"]["events"]), messages[1:])
            self.assertIs(timeline["timeline"]["limited"], True)
        answer = self.sync(self.since, timeline={"limit": 3, "types": ["m.room.message"]})
        self.assertIs(answer.room(self.room_id)["timeline"]["limited"], False)

    def test_state_that_is_dropped_is_told_as_state(self) -> None:
        self.alice.set_state(self.room_id, TOPIC, {"topic": "first"})
        self.send(1)
        self.alice.set_state(self.room_id, TOPIC, {"topic": "second"})
        self.send(1)
        for limit in (1, 2, 10):
            for since in (self.since, None):
                answer = self.sync(since, timeline={"limit": limit, "types": ["m.room.message"]})
                self.assertEqual(self.topics(answer)[-1:], ["second"], (limit, since))
                self.assertEqual(self.topics(answer).count("second"), 1)

    def test_dropped_members_are_counted(self) -> None:
        self.alice.invite(self.room_id, self.register("carol"))
        answer = self.sync(self.since, timeline={"not_types": ["m.room.member"]})
        self.assertEqual(answer.room(self.room_id)["summary"]["m.invited_member_count"], 1)
        self.assertEqual(len(answer.state(self.room_id)), 1)

    def test_rooms(self) -> None:
        self.send(1)
        self.alice.set_state(self.room_id, TOPIC, {"topic": "now"})
        wishes: list[Json] = [{"rooms": []}, {"not_rooms": [self.room_id]}]
        for wish in wishes:
            answer = self.sync(self.since, timeline=wish)
            self.assertEqual((answer.timeline(self.room_id), self.topics(answer)), ([], ["now"]))


class StateTests(FilterTestCase):
    def test_types_and_rooms(self) -> None:
        self.send(10)
        answer = self.sync(state={"types": [TOPIC]})
        self.assertEqual([event["type"] for event in answer.state(self.room_id)], [TOPIC])
        self.assertEqual(self.sync(state={"not_rooms": [self.room_id]}).state(self.room_id), [])
        answer = self.sync(state={"senders": [self.bob.user_id]})
        self.assertEqual([event["sender"] for event in answer.state(self.room_id)], [self.bob.user_id])


class RoomTests(FilterTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.other = self.alice.create_room(members=[self.bob])
        self.since = self.bob.sync().next_batch

    def everything_happens(self, room_id: str) -> None:
        event_id = self.alice.send(room_id, "x")
        self.alice.put(f"/rooms/{room_id}/typing/{self.alice.user_id}", {"typing": True})
        self.alice.post(f"/rooms/{room_id}/receipt/m.read/{event_id}")
        self.bob.put(f"/user/{self.bob.user_id}/rooms/{room_id}/account_data/org.example", {"a": 1})

    def test_rooms(self) -> None:
        for room_id in (self.room_id, self.other):
            self.everything_happens(room_id)
        invited = self.alice.create_room(invite=[self.bob.user_id])
        for wish in ({"rooms": [self.other]}, {"not_rooms": [self.room_id, invited]}):
            for since in (self.since, None):
                self.assertEqual(self.sections(self.sync(since, **wish)), {"join": [self.other]})

    def test_a_room_is_not_told_for_what_the_filter_drops(self) -> None:
        self.alice.put(f"/rooms/{self.room_id}/typing/{self.alice.user_id}", {"typing": True})
        self.bob.put(f"/user/{self.bob.user_id}/rooms/{self.room_id}/account_data/org.example", {})
        drop: Json = {"types": []}
        self.assertEqual(self.sections(self.sync(self.since, ephemeral=drop, account_data=drop)), {})

    def told(self, answer: SyncAnswer, part: str) -> set[str]:
        return {event["type"] for event in answer.room(self.room_id)[part]["events"]}

    def test_ephemeral_events(self) -> None:
        self.everything_happens(self.room_id)
        for since in (self.since, None):
            for wish, told in (
                ({}, {"m.typing", "m.receipt"}),
                ({"types": ["m.receipt"]}, {"m.receipt"}),
                ({"not_types": ["m.rec*"]}, {"m.typing"}),
                ({"not_rooms": [self.room_id]}, set()),
            ):
                self.assertEqual(self.told(self.sync(since, ephemeral=wish), "ephemeral"), told)

    def test_account_data(self) -> None:
        self.everything_happens(self.room_id)
        for since in (self.since, None):
            for wish, told in (
                ({}, {"org.example"}),
                ({"types": ["m.*"]}, set()),
                ({"not_rooms": [self.room_id]}, set()),
            ):
                self.assertEqual(self.told(self.sync(since, account_data=wish), "account_data"), told)


class GlobalAccountDataTests(FilterTestCase):
    def told(self, wish: Json) -> list[str]:
        events = self.bob.sync(filter={"account_data": wish}).json.get("account_data", {}).get("events", [])
        return sorted(event["type"] for event in events)

    def test_types(self) -> None:
        for name in ("org.a", "org.b"):
            self.bob.put(f"/user/{self.bob.user_id}/account_data/{name}", {})
        self.assertEqual(self.told({"types": ["org.*"]}), ["org.a", "org.b"])
        self.assertEqual(self.told({"types": ["org.a"]}), ["org.a"])
        self.assertEqual(self.told({"types": ["org.*"], "not_types": ["org.a"]}), ["org.b"])


class StoredFilterTests(FilterTestCase):
    def store(self, user: WireClient, definition: Json) -> str:
        filter_id: str = user.post(f"/user/{user.user_id}/filter", definition)["filter_id"]
        return filter_id

    def test_by_its_id(self) -> None:
        sent = self.send(3)
        filter_id = self.store(self.bob, self.limited_to(1))
        for _ in range(2):
            self.assertEqual(ids(self.bob.sync(filter=filter_id).timeline(self.room_id)), sent[2:])
            self.restart()

    def test_of_somebody_else(self) -> None:
        filter_id = self.store(self.alice, {"room": {"rooms": []}})
        self.assertEqual(self.bob.get("/sync", filter=filter_id).status, 404)
