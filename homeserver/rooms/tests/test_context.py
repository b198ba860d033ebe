"""/context and /timestamp_to_event at the wire."""

from typing import Any

from tests.wire import WireClient, WireTestCase, each

Json = Any

NOT_FOUND = (404, "M_NOT_FOUND")


class ContextTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob])
        self.sent = [self.alice.send(self.room_id, str(number)) for number in range(9)]

    def context(self, event_id: str, user: WireClient | None = None, **query: Any) -> Any:
        return (user or self.alice).get(f"/rooms/{self.room_id}/context/{event_id}", **query)

    def around(self, event_id: str, **query: Any) -> tuple[list[str], list[str]]:
        context = self.context(event_id, **query)
        self.assertEqual(context["event"]["event_id"], event_id)
        before, after = context["events_before"], context["events_after"]
        return [event["event_id"] for event in before], [event["event_id"] for event in after]

    def test_half_before_and_half_after(self) -> None:
        sent = self.sent
        self.assertEqual(self.around(sent[4], limit=4), (sent[3:1:-1], sent[5:7]))
        self.assertEqual(self.around(sent[4], limit=3), (sent[3:2:-1], sent[5:7]))
        self.assertEqual(self.around(sent[4], limit=1), ([], sent[5:6]))
        self.assertEqual(self.around(sent[4], limit=0), ([], []))
        self.assertEqual(self.around(sent[8], limit=4), (sent[7:5:-1], []))
        self.assertEqual(len(self.around(sent[5])[0]), 5)

    def test_tokens_go_on_from_there(self) -> None:
        for limit in (0, 1, 4):
            before, after = self.around(self.sent[4], limit=limit)
            context = self.context(self.sent[4], limit=limit)
            older = self.alice.messages(self.room_id, "b", from_=context["start"], limit=1)["chunk"]
            newer = self.alice.messages(self.room_id, "f", from_=context["end"], limit=1)["chunk"]
            self.assertEqual(older[0]["event_id"], self.sent[3 - len(before)])
            self.assertEqual(newer[0]["event_id"], self.sent[5 + len(after)])

    def test_state_is_that_at_the_last_event(self) -> None:
        self.alice.set_state(self.room_id, "m.room.topic", {"topic": "one"})
        event = self.alice.send(self.room_id, "here")
        self.alice.set_state(self.room_id, "m.room.topic", {"topic": "two"})

        def topic(limit: int) -> str:
            state = self.context(event, limit=limit)["state"]
            (content,) = (one["content"] for one in state if one["type"] == "m.room.topic")
            text: str = content["topic"]
            return text

        self.assertEqual(topic(0), "one")
        self.assertEqual(topic(4), "two")

    def test_the_filter(self) -> None:
        self.bob.send(self.room_id, "by bob")
        event = self.alice.send(self.room_id, "here")
        wanted = {"types": ["m.room.message", "m.room.create"], "senders": [self.alice.user_id]}
        before, _ = self.around(event, limit=2, filter=wanted)
        self.assertEqual(before, self.sent[8:])
        state = self.context(event, filter=wanted)["state"]
        self.assertEqual([one["type"] for one in state], ["m.room.create"])
        # It is not for the event itself.
        self.assertEqual(self.around(event, filter={"types": ["none"]}), ([], []))
        elsewhere = {"not_rooms": [self.room_id]}
        self.assertEqual(self.around(event, filter=elsewhere), ([], []))
        self.assertEqual(self.context(event, filter=elsewhere)["state"], [])

    def test_members_loaded_lazily(self) -> None:
        def members(**query: Any) -> list[str]:
            state = self.context(self.sent[4], limit=2, **query)["state"]
            return sorted(one["state_key"] for one in state if one["type"] == "m.room.member")

        self.assertEqual(members(), [self.alice.user_id, self.bob.user_id])
        self.assertEqual(members(filter={"lazy_load_members": True}), [self.alice.user_id])

    def test_bundled_children(self) -> None:
        relation = {"m.relates_to": {"rel_type": "m.thread", "event_id": self.sent[3]}, "body": "x"}
        reply = self.bob.put(f"/rooms/{self.room_id}/send/m.room.message/r", relation)["event_id"]
        for target in (self.sent[3], self.sent[4]):
            context = self.context(target)
            events = [context["event"], *context["events_before"]]
            (root,) = (event for event in events if event["event_id"] == self.sent[3])
            latest = root["unsigned"]["m.relations"]["m.thread"]["latest_event"]
            self.assertEqual(latest["event_id"], reply)

    def test_what_may_not_be_seen(self) -> None:
        self.assertEqual(self.context("$nothing").error, NOT_FOUND)
        self.assertEqual(self.context(self.alice.send(self.alice.create_room(), "x")).error, NOT_FOUND)
        self.assertEqual(self.context(self.sent[0], self.register("dave")).error, (403, "M_FORBIDDEN"))
        self.bob.leave(self.room_id)
        later = self.alice.send(self.room_id, "later")
        self.assertEqual(self.context(later, self.bob).error, NOT_FOUND)
        context = self.context(self.sent[8], self.bob)
        self.assertNotIn(later, [event["event_id"] for event in context["events_after"]])

    def test_wrong_parameters(self) -> None:
        def refused(query: Json) -> None:
            self.assertEqual(self.context(self.sent[0], **query).status, 400)

        each(refused, [{"limit": "x"}, {"filter": "{"}, {"filter": {"limit": "x"}}])


class TimeTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")
        self.room_id = self.alice.create_room()
        self.path = f"/_matrix/client/v1/rooms/{self.room_id}/timestamp_to_event"
        self.sent = []
        for number in range(3):
            self.advance(10)
            self.sent.append(self.alice.send(self.room_id, str(number)))
        self.now = 1_700_000_030_000

    def at(self, ts: int, dir: str, user: WireClient | None = None) -> Any:
        return (user or self.alice).get(self.path, ts=ts, dir=dir)

    def test_the_nearest_on_the_asked_side(self) -> None:
        for ts, dir_, found in (
            (self.now, "b", 2),
            (self.now, "f", 2),
            (self.now - 1, "b", 1),
            (self.now - 1, "f", 2),
            (self.now - 19_000, "f", 1),
            (self.now + 10**9, "b", 2),
            (self.now - 15_000, "b", 0),
        ):
            answer = self.at(ts, dir_)
            self.assertEqual(answer["event_id"], self.sent[found])
            self.assertEqual(answer["origin_server_ts"], self.now - 10_000 * (2 - found))

    def test_forwards_from_the_beginning_is_the_create_event(self) -> None:
        first = self.alice.messages(self.room_id, "f", limit=1)["chunk"][0]
        self.assertEqual(self.at(0, "f")["event_id"], first["event_id"])

    def test_none(self) -> None:
        self.assertEqual(self.at(0, "b").error, NOT_FOUND)
        self.assertEqual(self.at(self.now + 1, "f").error, NOT_FOUND)

    def test_only_what_may_be_seen(self) -> None:
        self.alice.set_state(self.room_id, "m.room.history_visibility", {"history_visibility": "joined"})
        hidden = self.alice.send(self.room_id, "hidden")
        bob = self.register("bob")
        self.assertEqual(self.at(self.now, "b", bob).error, (403, "M_FORBIDDEN"))
        self.alice.invite(self.room_id, bob)
        bob.join(self.room_id)
        found = self.at(self.now, "f", bob)["event_id"]
        self.assertEqual(bob.event(self.room_id, found).status, 200)
        self.assertNotEqual(found, hidden)

    def test_wrong_parameters(self) -> None:
        def refused(query: Json) -> None:
            self.assertEqual(self.alice.get(self.path, **query).status, 400)

        each(refused, [{}, {"ts": "x", "dir": "f"}, {"ts": 5, "dir": "x"}, {"ts": 2**70, "dir": "f"}])

    def test_the_unstable_path(self) -> None:
        path = f"/_matrix/client/unstable/org.matrix.msc3030/rooms/{self.room_id}/timestamp_to_event"
        self.assertEqual(self.alice.get(path, ts=self.now, dir="b")["event_id"], self.sent[2])
