"""/sync at the wire: what is told of rooms, and when."""

from typing import Any

from homeserver.protocol.identifiers import EventID
from homeserver.rooms.store.events import place_of
from homeserver.rooms.store.graph import add_missing
from tests.client import SyncAnswer
from tests.wire import WireClient, WireTestCase, each

Json = Any

TOPIC = "m.room.topic"


def ids(events: list[Json]) -> list[str]:
    return [event["event_id"] for event in events]


def slots(events: list[Json]) -> set[tuple[str, str]]:
    return {(event["type"], event["state_key"]) for event in events}


class SyncTestCase(WireTestCase):
    """Alice's room, in which Bob is."""

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob], topic="before")

    def send(self, count: int, sender: WireClient | None = None) -> list[str]:
        return [(sender or self.alice).send(self.room_id, str(number)) for number in range(count)]

    def limited_to(self, count: int) -> Json:
        return {"room": {"timeline": {"limit": count}}}

    def sections(self, answer: SyncAnswer) -> dict[str, list[str]]:
        return {name: list(rooms) for name, rooms in answer.json.get("rooms", {}).items()}


class InitialTests(SyncTestCase):
    def test_somebody_without_rooms(self) -> None:
        answer = self.register("carol").sync()
        self.assertEqual(self.sections(answer), {})

    def test_timeline_and_state_make_up_the_room(self) -> None:
        sent = self.send(3)
        for limit in (0, 1, 3, 5, 100):
            answer = self.bob.sync(filter=self.limited_to(limit))
            timeline = answer.timeline(self.room_id)
            self.assertLessEqual(len(timeline), limit)
            if limit in (1, 3):
                self.assertEqual(ids(timeline), sent[-limit:])
            told = {(event["type"], event["state_key"]): event for event in answer.state(self.room_id)}
            told |= {(event["type"], event["state_key"]): event for event in timeline if "state_key" in event}
            current = self.bob.get(f"/rooms/{self.room_id}/state").json
            self.assertEqual(set(ids(list(told.values()))), set(ids(current)))

    def test_limited_where_events_are_missing(self) -> None:
        since = self.bob.sync().next_batch
        first, second, third = self.send(3)
        place = self.successResultOf(self.server.db.read(place_of, EventID(second)))
        assert place is not None
        assert place.position is not None
        self.successResultOf(
            self.server.db.write(add_missing, place.room, [EventID("$missing")], place.position)
        )
        # What is in memory does not know of it.
        self.restart()
        timeline = self.bob.sync(since).room(self.room_id)["timeline"]
        self.assertEqual([event["event_id"] for event in timeline["events"]], [second, third])
        self.assertIs(timeline["limited"], True)
        before = self.bob.get(
            f"/rooms/{self.room_id}/messages", dir="b", limit=1, **{"from": timeline["prev_batch"]}
        )
        self.assertEqual([event["event_id"] for event in before["chunk"]], [first])

    def test_limited_if_there_is_more(self) -> None:
        everything = self.bob.messages(self.room_id, limit=100)["chunk"]
        for limit, limited in ((len(everything) - 1, True), (len(everything), False), (100, False)):
            room = self.bob.sync(filter=self.limited_to(limit)).room(self.room_id)
            self.assertIs(room["timeline"]["limited"], limited)

    def test_ten_events_unless_told_otherwise(self) -> None:
        self.send(20)
        self.assertEqual(len(self.bob.sync().timeline(self.room_id)), 10)

    def test_state_is_that_before_the_timeline(self) -> None:
        self.alice.set_state(self.room_id, TOPIC, {"topic": "now"})
        self.send(1)
        for limit, topic in ((2, "before"), (1, "now")):
            state = self.bob.sync(filter=self.limited_to(limit)).state(self.room_id)
            topics = [event["content"]["topic"] for event in state if event["type"] == TOPIC]
            self.assertEqual(topics, [topic])

    def test_prev_batch_leads_on(self) -> None:
        sent = self.send(6)
        room = self.bob.sync(filter=self.limited_to(2)).room(self.room_id)
        page = self.bob.messages(self.room_id, from_=room["timeline"]["prev_batch"], limit=4)["chunk"]
        self.assertEqual(ids(page)[::-1] + ids(room["timeline"]["events"]), sent)

    def test_prev_batch_of_an_empty_timeline(self) -> None:
        sent = self.send(3)
        timeline = self.bob.sync(filter=self.limited_to(0)).room(self.room_id)["timeline"]
        self.assertEqual((timeline["events"], timeline["limited"]), ([], True))
        page = self.bob.messages(self.room_id, from_=timeline["prev_batch"], limit=3)["chunk"]
        self.assertEqual(ids(page)[::-1], sent)

    def test_summary(self) -> None:
        carol, dave = self.register("carol"), self.register("dave")
        self.alice.invite(self.room_id, carol)
        self.alice.invite(self.room_id, dave)
        dave.leave(self.room_id)
        summary = self.bob.sync().room(self.room_id)["summary"]
        self.assertEqual((summary["m.joined_member_count"], summary["m.invited_member_count"]), (2, 1))
        self.assertEqual(summary["m.heroes"], [self.alice.user_id, carol.user_id])

    def test_heroes_are_for_rooms_without_a_name(self) -> None:
        self.alice.set_state(self.room_id, "m.room.name", {"name": "named"})
        self.assertNotIn("m.heroes", self.bob.sync().room(self.room_id)["summary"])
        self.alice.set_state(self.room_id, "m.room.name", {"name": ""})
        self.assertIn("m.heroes", self.bob.sync().room(self.room_id)["summary"])

    def test_heroes_of_a_room_that_everybody_left(self) -> None:
        self.bob.leave(self.room_id)
        summary = self.alice.sync().room(self.room_id)["summary"]
        self.assertEqual(summary["m.heroes"], [self.bob.user_id])
        self.assertEqual(summary["m.joined_member_count"], 1)

    def test_survives_a_restart(self) -> None:
        sent = self.send(3)
        since = self.bob.sync().next_batch
        before = self.bob.sync().timeline(self.room_id)
        self.restart()
        self.assertEqual(ids(self.bob.sync().timeline(self.room_id)), ids(before))
        self.assertEqual(self.bob.sync(since).timeline(self.room_id), [])
        more = self.send(2)
        self.assertEqual(ids(self.bob.sync(since).timeline(self.room_id)), more)
        self.assertEqual(ids(before)[-3:], sent)


class IncrementalTests(SyncTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.since = self.bob.sync().next_batch

    def test_nothing(self) -> None:
        answer = self.bob.sync(self.since)
        self.assertEqual(self.sections(answer), {})
        self.assertEqual(answer.next_batch, self.since)

    def test_events_in_order(self) -> None:
        sent = [self.send(1, sender)[0] for sender in (self.alice, self.bob, self.alice)]
        room = self.bob.sync(self.since).room(self.room_id)
        self.assertEqual(ids(room["timeline"]["events"]), sent)
        self.assertEqual((room["timeline"]["limited"], room["state"]["events"]), (False, []))

    def test_no_room_id_in_events(self) -> None:
        self.send(1)
        self.assertNotIn("room_id", self.bob.sync(self.since).timeline(self.room_id)[0])

    def test_other_rooms_are_not_told_again(self) -> None:
        other = self.alice.create_room(members=[self.bob])
        since = self.bob.sync().next_batch
        self.send(1)
        self.assertEqual(self.sections(self.bob.sync(since)), {"join": [self.room_id]})
        self.assertEqual(self.sections(self.alice.sync(self.alice.sync().next_batch)), {})
        self.assertNotEqual(other, self.room_id)

    def test_a_token_can_be_used_again(self) -> None:
        sent = self.send(2)
        for _ in range(2):
            self.assertEqual(ids(self.bob.sync(self.since).timeline(self.room_id)), sent)

    def test_each_step_tells_the_next(self) -> None:
        since, told = self.since, []
        sent = []
        for _ in range(5):
            sent += self.send(2)
            answer = self.bob.sync(since)
            told += ids(answer.timeline(self.room_id))
            since = answer.next_batch
        self.assertEqual(told, sent)

    def test_gap(self) -> None:
        """State that changed in the gap is told, once and as it became; what did not change is not."""
        self.alice.set_state(self.room_id, TOPIC, {"topic": "first"})
        last = self.alice.set_state(self.room_id, TOPIC, {"topic": "second"})["event_id"]
        name = self.alice.set_state(self.room_id, "m.room.name", {"name": "x"})["event_id"]
        sent = self.send(3)
        answer = self.bob.sync(self.since, filter=self.limited_to(2))
        self.assertIs(answer.room(self.room_id)["timeline"]["limited"], True)
        self.assertEqual(ids(answer.timeline(self.room_id)), sent[1:])
        self.assertEqual(ids(answer.state(self.room_id)), [last, name])
        prev_batch = answer.room(self.room_id)["timeline"]["prev_batch"]
        page = self.bob.messages(self.room_id, from_=prev_batch, to=self.since, limit=100)["chunk"]
        self.assertEqual(len(page), 4)

    def test_gap_that_ends_within_a_change(self) -> None:
        """State that changes in the gap and again in the timeline is told as it was between them."""
        first = self.alice.set_state(self.room_id, TOPIC, {"topic": "first"})["event_id"]
        second = self.alice.set_state(self.room_id, TOPIC, {"topic": "second"})["event_id"]
        answer = self.bob.sync(self.since, filter=self.limited_to(1))
        self.assertEqual(ids(answer.state(self.room_id)), [first])
        self.assertEqual(ids(answer.timeline(self.room_id)), [second])

    def test_exactly_the_limit_is_no_gap(self) -> None:
        sent = self.send(3)
        room = self.bob.sync(self.since, filter=self.limited_to(3)).room(self.room_id)
        self.assertEqual((ids(room["timeline"]["events"]), room["timeline"]["limited"]), (sent, False))

    def test_more_than_memory_keeps(self) -> None:
        sent = self.send(130)
        answer = self.bob.sync(self.since, filter=self.limited_to(1000))
        self.assertEqual(ids(answer.timeline(self.room_id)), sent)

    def test_state_in_the_timeline(self) -> None:
        self.alice.set_state(self.room_id, TOPIC, {"topic": "now"})
        answer = self.bob.sync(self.since)
        (event,) = answer.timeline(self.room_id)
        self.assertEqual((event["content"], event["state_key"]), ({"topic": "now"}, ""))
        self.assertEqual(event["unsigned"]["prev_content"]["topic"], "before")
        self.assertEqual(answer.state(self.room_id), [])

    def test_membership_of_the_reader(self) -> None:
        self.send(1)
        self.assertEqual(
            [event["unsigned"]["membership"] for event in self.bob.sync().timeline(self.room_id)][-2:],
            ["join", "join"],
        )

    def test_age(self) -> None:
        self.send(1)
        self.advance(3)
        (event,) = self.bob.sync(self.since).timeline(self.room_id)
        self.assertEqual(event["unsigned"]["age"], 3000)

    def test_counts_that_changed(self) -> None:
        self.send(1)
        self.assertNotIn("m.joined_member_count", self.bob.sync(self.since).room(self.room_id)["summary"])
        carol = self.register("carol")
        self.alice.invite(self.room_id, carol)
        summary = self.bob.sync(self.since).room(self.room_id)["summary"]
        self.assertEqual((summary["m.joined_member_count"], summary["m.invited_member_count"]), (2, 1))
        since = self.bob.sync().next_batch
        carol.join(self.room_id)
        summary = self.bob.sync(since).room(self.room_id)["summary"]
        self.assertEqual((summary["m.joined_member_count"], summary["m.invited_member_count"]), (3, 0))

    def test_own_transaction_ids_only(self) -> None:
        phone = self.log_in(self.alice, "PHONE")
        path = f"/rooms/{self.room_id}/send/m.room.message/my-txn"
        self.alice.put(path, {"body": "hello"})
        for client, told in ((self.alice, "my-txn"), (phone, None), (self.bob, None)):
            (event,) = client.sync(self.since).timeline(self.room_id)
            self.assertEqual(event["unsigned"].get("transaction_id"), told)

    def test_tokens_that_are_none(self) -> None:
        def check(token: str) -> None:
            self.assertEqual(self.bob.get("/sync", since=token).error, (400, "M_INVALID_PARAM"))

        each(check, ["x", "", "s", "s1.5", "s" + "9" * 30, "12", "t12"])

    def test_queries_that_make_no_sense(self) -> None:
        def check(query: Json) -> None:
            self.assertEqual(self.bob.get("/sync", **query).status, 400)

        each(
            check,
            [
                {"timeout": "long"},
                {"full_state": "perhaps"},
                {"set_presence": "asleep"},
                {"filter": "{"},
                {"filter": '{"room": 5}'},
                {"filter": '{"room": {"timeline": {"limit": -1}}}'},
                {"use_state_after": "x"},
            ],
        )

    def test_filters_that_nobody_stored(self) -> None:
        self.assertEqual(self.bob.get("/sync", filter="unknown").error, (404, "M_NOT_FOUND"))


class FullStateTests(SyncTestCase):
    def test_all_state_but_only_new_events(self) -> None:
        since = self.bob.sync().next_batch
        sent = self.send(1)
        answer = self.bob.sync(since, full_state=True)
        self.assertEqual(ids(answer.timeline(self.room_id)), sent)
        current = self.bob.get(f"/rooms/{self.room_id}/state").json
        self.assertEqual(set(ids(answer.state(self.room_id))), set(ids(current)))

    def test_answers_at_once(self) -> None:
        since = self.bob.sync().next_batch
        answer = self.bob.start_sync(since, full_state=True).answer
        assert answer is not None
        self.assertIn(self.room_id, answer["rooms"]["join"])

    def test_everything_else_is_told_too(self) -> None:
        other = self.alice.create_room(members=[self.bob])
        since = self.bob.sync().next_batch
        invited = self.alice.create_room(invite=[self.bob.user_id])
        self.alice.kick(other, self.bob)
        self.bob.put(f"/user/{self.bob.user_id}/account_data/org.example", {"a": 1})
        self.alice.put(f"/rooms/{self.room_id}/typing/{self.alice.user_id}", {"typing": True})
        answer = self.bob.sync(since, full_state=True)
        expected = {"join": [self.room_id], "invite": [invited], "leave": [other]}
        self.assertEqual(self.sections(answer), expected)
        self.assertEqual(answer.json["account_data"]["events"][0]["type"], "org.example")
        self.assertEqual(answer.ephemeral(self.room_id)[0]["type"], "m.typing")


class StateAfterTests(SyncTestCase):
    """use_state_after: https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync"""

    def state_after(self, since: str | None, **query: Any) -> dict[tuple[str, str], Json]:
        room = self.bob.sync(since, use_state_after=True, **query).room(self.room_id)
        self.assertNotIn("state", room)
        return {
            (event["type"], event["state_key"]): event["content"] for event in room["state_after"]["events"]
        }

    def test_initial(self) -> None:
        self.alice.set_state(self.room_id, TOPIC, {"topic": "now"})
        told = self.state_after(None)
        self.assertEqual(told[TOPIC, ""], {"topic": "now"})
        self.assertEqual(len(told), len(self.bob.get(f"/rooms/{self.room_id}/state").json))

    def test_incremental(self) -> None:
        since = self.bob.sync().next_batch
        self.send(1)
        self.assertEqual(self.state_after(since), {})
        self.alice.set_state(self.room_id, TOPIC, {"topic": "now"})
        self.assertEqual(self.state_after(since), {(TOPIC, ""): {"topic": "now"}})
        self.send(3)
        self.alice.set_state(self.room_id, TOPIC, {"topic": "later"})
        for limit in (1, 3, 10):
            told = self.state_after(since, filter=self.limited_to(limit))
            self.assertEqual(told, {(TOPIC, ""): {"topic": "later"}})
        self.assertEqual(len(self.state_after(since, full_state=True)), len(self.state_after(None)))

    def test_left_rooms(self) -> None:
        since = self.bob.sync().next_batch
        self.bob.leave(self.room_id)
        room = self.bob.sync(since, use_state_after=True).room(self.room_id, "leave")
        self.assertNotIn("state", room)
        self.assertEqual(slots(room["state_after"]["events"]), {("m.room.member", self.bob.user_id)})

    def test_by_its_older_name(self) -> None:
        older: Json = {"org.matrix.msc4222.use_state_after": True}
        room = self.bob.sync(**older).room(self.room_id)
        self.assertEqual(room["org.matrix.msc4222.state_after"], self.bob_state())
        self.assertTrue(room.keys().isdisjoint({"state", "state_after"}))
        self.assertIn("state_after", self.bob.sync(**older, use_state_after=True).room(self.room_id))

    def bob_state(self) -> Json:
        return self.bob.sync(use_state_after=True).room(self.room_id)["state_after"]
