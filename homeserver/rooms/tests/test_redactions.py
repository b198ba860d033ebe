"""Redactions at the wire: who may, and what everyone sees afterwards."""

from typing import Any

from tests.client import Answer
from tests.wire import WireClient, WireTestCase

Json = Any

FORBIDDEN = (403, "M_FORBIDDEN")
NOT_FOUND = (404, "M_NOT_FOUND")
TOPIC = "m.room.topic"


class RedactionTestCase(WireTestCase):
    version = "12"

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob], room_version=self.version)

    def redacted_by(self, user: WireClient, event_id: str, **body: Json) -> str:
        redaction: str = user.redact(self.room_id, event_id, **body)["event_id"]
        return redaction

    def content(self, event_id: str) -> Json:
        return self.alice.event(self.room_id, event_id)["content"]

    def set_levels(self, **changes: Json) -> None:
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        answer = self.alice.set_state(self.room_id, "m.room.power_levels", {**levels, **changes})
        self.assertEqual(answer.status, 200)


class PermissionTests(RedactionTestCase):
    def test_own_events(self) -> None:
        event_id = self.bob.send(self.room_id, "oops")
        self.redacted_by(self.bob, event_id)
        self.assertEqual(self.content(event_id), {})

    def test_events_of_others_with_power(self) -> None:
        event_id = self.bob.send(self.room_id, "spam")
        self.redacted_by(self.alice, event_id)
        self.assertEqual(self.content(event_id), {})

    def test_events_of_others_without_power(self) -> None:
        event_id = self.alice.send(self.room_id, "law")
        self.assertEqual(self.bob.redact(self.room_id, event_id).error, FORBIDDEN)
        self.assertEqual(self.content(event_id)["body"], "law")

    def test_the_level_is_the_rooms(self) -> None:
        event_id = self.alice.send(self.room_id, "law")
        users = {self.bob.user_id: 30}
        self.set_levels(users=users, redact=31)
        self.assertEqual(self.bob.redact(self.room_id, event_id).error, FORBIDDEN)
        self.set_levels(users=users, redact=30)
        self.redacted_by(self.bob, event_id)
        self.assertEqual(self.content(event_id), {})

    def test_redactions_are_events_that_take_power_too(self) -> None:
        event_id = self.bob.send(self.room_id, "oops")
        self.set_levels(events={"m.room.redaction": 1})
        self.assertEqual(self.bob.redact(self.room_id, event_id).error, FORBIDDEN)

    def test_after_leaving(self) -> None:
        event_id = self.bob.send(self.room_id, "oops")
        self.bob.leave(self.room_id)
        self.assertEqual(self.bob.redact(self.room_id, event_id).error, FORBIDDEN)

    def test_strangers(self) -> None:
        event_id = self.bob.send(self.room_id, "oops")
        carol = self.register("carol")
        self.assertEqual(carol.redact(self.room_id, event_id).error, FORBIDDEN)

    def test_unknown_events(self) -> None:
        self.assertEqual(self.bob.redact(self.room_id, "$" + "a" * 43).error, NOT_FOUND)
        answer = self.bob.redact(self.room_id, "nonsense")
        self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

    def test_events_of_other_rooms(self) -> None:
        other = self.bob.create_room(members=[self.alice])
        event_id = self.bob.send(other, "elsewhere")
        self.assertEqual(self.bob.redact(self.room_id, event_id).error, NOT_FOUND)
        # With power it may be sent, for events that are not known yet; but it has no effect elsewhere.
        self.alice.redact(self.room_id, event_id)
        self.assertEqual(self.bob.event(other, event_id)["content"]["body"], "elsewhere")

    def test_unknown_room(self) -> None:
        self.assertEqual(self.bob.redact("!nowhere:test", "$" + "a" * 43).error, NOT_FOUND)


class OtherWaysTests(RedactionTestCase):
    """Redactions that are sent as plain events follow the same rules."""

    def send(self, user: WireClient, content: Json, key: str | None = None) -> Answer:
        if key is None:
            return user.put(f"/rooms/{self.room_id}/send/m.room.redaction/{len(str(content))}", content)
        return user.set_state(self.room_id, "m.room.redaction", content, key)

    def test_as_message(self) -> None:
        own, others = self.bob.send(self.room_id, "oops"), self.alice.send(self.room_id, "law")
        self.assertEqual(self.send(self.bob, {"redacts": own}).status, 200)
        self.assertEqual(self.send(self.bob, {"redacts": others, "reason": "no"}).error, FORBIDDEN)
        self.assertEqual((self.content(own), self.content(others)["body"]), ({}, "law"))

    def test_as_message_without_a_target(self) -> None:
        for content in ({}, {"redacts": 5}, {"redacts": None}):
            self.assertEqual(self.send(self.bob, content).error, (400, "M_BAD_JSON"))

    def test_as_state(self) -> None:
        """Whoever may set state may not thereby redact."""
        self.set_levels(users={self.bob.user_id: 30}, state_default=30)
        event_id = self.alice.send(self.room_id, "law")
        for key in ("", "x", self.bob.user_id):
            self.assertEqual(self.send(self.bob, {"redacts": event_id}, key).error, FORBIDDEN)
        self.assertEqual(self.content(event_id)["body"], "law")


class EffectTests(RedactionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.event_id = self.bob.send(self.room_id, "secret")

    def check_pruned(self, event: Json, redaction: str) -> None:
        self.assertEqual((event["event_id"], event["content"]), (self.event_id, {}))
        because = event["unsigned"]["redacted_because"]
        self.assertEqual(because["event_id"], redaction)
        self.assertEqual(because["content"]["redacts"], self.event_id)

    def test_the_redaction_itself(self) -> None:
        redaction = self.redacted_by(self.alice, self.event_id, reason="spam")
        event = self.bob.event(self.room_id, redaction).json
        self.assertEqual(event["type"], "m.room.redaction")
        self.assertEqual(event["content"], {"redacts": self.event_id, "reason": "spam"})

    def test_everywhere(self) -> None:
        redaction = self.redacted_by(self.alice, self.event_id)
        after = [
            self.bob.event(self.room_id, self.event_id).json,
            *self.bob.messages(self.room_id, limit=2)["chunk"],
            *self.bob.sync().timeline(self.room_id),
        ]
        found = [event for event in after if event["event_id"] == self.event_id]
        self.assertEqual(len(found), 3)
        for event in found:
            self.check_pruned(event, redaction)

    def test_in_a_sync_that_tells_of_both(self) -> None:
        since = self.bob.sync().next_batch
        self.event_id = self.bob.send(self.room_id, "secret")
        redaction = self.redacted_by(self.bob, self.event_id)
        first, second = self.bob.sync(since).timeline(self.room_id)
        self.check_pruned(first, redaction)
        self.assertEqual(second["event_id"], redaction)

    def test_in_a_sync_that_tells_of_the_redaction_alone(self) -> None:
        since = self.bob.sync().next_batch
        redaction = self.redacted_by(self.bob, self.event_id)
        (event,) = self.bob.sync(since).timeline(self.room_id)
        self.assertEqual((event["event_id"], event["content"]["redacts"]), (redaction, self.event_id))

    def test_twice(self) -> None:
        first = self.redacted_by(self.bob, self.event_id)
        self.redacted_by(self.alice, self.event_id)
        self.check_pruned(self.alice.event(self.room_id, self.event_id).json, first)

    def test_of_a_redaction(self) -> None:
        redaction = self.redacted_by(self.bob, self.event_id, reason="secret reason")
        self.redacted_by(self.bob, redaction)
        event = self.alice.event(self.room_id, self.event_id).json
        self.assertEqual(event["content"], {})
        self.assertNotIn("reason", event["unsigned"]["redacted_because"]["content"])
        again = self.alice.event(self.room_id, redaction).json
        self.assertEqual((again["content"], again["redacts"]), ({"redacts": self.event_id}, self.event_id))

    def test_repeated_transaction(self) -> None:
        path = f"/rooms/{self.room_id}/redact/{self.event_id}/1"
        redactions = {self.bob.put(path, {"reason": reason})["event_id"] for reason in ("a", "b")}
        self.assertEqual(len(redactions), 1)

    def test_after_a_restart(self) -> None:
        redaction = self.redacted_by(self.bob, self.event_id)
        self.restart()
        self.check_pruned(self.alice.event(self.room_id, self.event_id).json, redaction)

    def test_bodies(self) -> None:
        path = f"/rooms/{self.room_id}/redact/{self.event_id}/1"
        self.assertEqual(self.bob.put(path, {"reason": 5}).error, (400, "M_BAD_JSON"))
        self.assertEqual(self.bob.put(path, b"{").error, (400, "M_NOT_JSON"))
        self.assertEqual(self.bob.put(path, None).status, 200)


class EffectTestsOfVersion11(EffectTests):
    version = "11"


class StateRedactionTests(RedactionTestCase):
    def test_current_state_is_pruned(self) -> None:
        event_id = self.alice.set_state(self.room_id, TOPIC, {"topic": "secret"})["event_id"]
        self.redacted_by(self.alice, event_id)
        self.assertEqual(self.bob.state(self.room_id, TOPIC).json, {})
        shown = [event for event in self.bob.sync().state(self.room_id) if event["type"] == TOPIC]
        shown += [
            event for event in self.bob.get(f"/rooms/{self.room_id}/state").json if event["type"] == TOPIC
        ]
        self.assertEqual([event["content"] for event in shown], [{}] * len(shown))
        self.assertNotEqual(shown, [])

    def test_as_previous_content(self) -> None:
        event_id = self.alice.set_state(self.room_id, TOPIC, {"topic": "secret"})["event_id"]
        since = self.bob.sync().next_batch
        newer = self.alice.set_state(self.room_id, TOPIC, {"topic": "public"})["event_id"]
        told = self.bob.sync(since).timeline(self.room_id)[-1]
        self.assertEqual(told["unsigned"]["prev_content"], {"topic": "secret"})
        self.redacted_by(self.alice, event_id)
        for event in (
            self.bob.event(self.room_id, newer).json,
            next(e for e in self.bob.sync(since).timeline(self.room_id) if e["event_id"] == newer),
        ):
            self.assertEqual(event["unsigned"]["prev_content"], {})

    def test_what_replaces_redacted_state_shows_nothing_of_it(self) -> None:
        event_id = self.alice.set_state(self.room_id, TOPIC, {"topic": "secret"})["event_id"]
        self.redacted_by(self.alice, event_id)
        since = self.bob.sync().next_batch
        self.alice.set_state(self.room_id, TOPIC, {"topic": "public"})
        (event,) = self.bob.sync(since).timeline(self.room_id)
        self.assertEqual(event["unsigned"]["prev_content"], {})

    def test_what_the_rules_need_is_kept(self) -> None:
        levels = self.alice.state(self.room_id, "m.room.power_levels", format="event").json
        self.redacted_by(self.alice, levels["event_id"])
        kept = self.alice.state(self.room_id, "m.room.power_levels").json
        self.assertEqual(kept["users"], levels["content"]["users"])
        self.assertNotIn("historical", kept)
        member = self.alice.state(self.room_id, "m.room.member", self.bob.user_id, format="event").json
        self.redacted_by(self.alice, member["event_id"])
        shown = self.alice.state(self.room_id, "m.room.member", self.bob.user_id).json
        self.assertEqual(shown, {"membership": "join"})
        self.bob.send(self.room_id, "still here")

    def test_rules_follow_what_is_left(self) -> None:
        """A join rule that was redacted still holds, and one that lost its content is as if not set."""
        room_id = self.alice.create_room(preset="public_chat", members=[self.bob])
        rules = self.alice.state(room_id, "m.room.join_rules", format="event")["event_id"]
        self.alice.redact(room_id, rules)
        self.assertEqual(self.register("carol").join(room_id).status, 200)

    def test_redacted_state_can_be_set_again(self) -> None:
        event_id = self.alice.set_state(self.room_id, TOPIC, {"topic": "x"})["event_id"]
        self.redacted_by(self.alice, event_id)
        again = self.alice.set_state(self.room_id, TOPIC, {"topic": "x"})["event_id"]
        self.assertNotEqual(again, event_id)
        self.assertEqual(self.bob.state(self.room_id, TOPIC)["topic"], "x")
