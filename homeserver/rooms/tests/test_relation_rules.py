"""What is refused because of what it relates to, and redactions of what relates to an event."""

from typing import Any

from homeserver.rooms.tests.test_aggregations import RelationsTestCase
from tests.wire import each

Json = Any

DUPLICATE = (400, "M_DUPLICATE_ANNOTATION")


class AnnotationTests(RelationsTestCase):
    def annotate(self, parent: str, key: Json, type_: str = "m.reaction", user: Any = None) -> Any:
        relation = {"rel_type": "m.annotation", "event_id": parent, "key": key}
        return self.put(user or self.alice, type_, {"m.relates_to": relation})

    def test_the_same_twice(self) -> None:
        event = self.alice.send(self.room_id, "x")
        first = self.annotate(event, "👍")["event_id"]
        self.assertEqual(self.annotate(event, "👍").error, DUPLICATE)
        for other in (
            self.annotate(event, "👎"),
            self.annotate(event, "👍", type_="other.type"),
            self.annotate(event, "👍", user=self.bob),
            self.annotate(self.alice.send(self.room_id, "y"), "👍"),
        ):
            self.assertEqual(other.status, 200)
        self.alice.redact(self.room_id, first)
        self.assertEqual(self.annotate(event, "👍").status, 200)
        self.assertEqual(self.annotate(event, "👍").error, DUPLICATE)

    def test_a_repeated_request_is_no_duplicate(self) -> None:
        event = self.alice.send(self.room_id, "x")
        relation = {"rel_type": "m.annotation", "event_id": event, "key": "k"}
        path = f"/rooms/{self.room_id}/send/m.reaction/again"
        first = self.alice.put(path, {"m.relates_to": relation})
        self.assertEqual(self.alice.put(path, {"m.relates_to": relation}).json, first.json)

    def test_keys(self) -> None:
        event = self.alice.send(self.room_id, "x")
        self.assertEqual(self.annotate(event, "x" * 500).status, 200)
        self.assertEqual(self.annotate(event, "x" * 500).error, DUPLICATE)
        self.assertEqual(self.annotate(event, "x" * 501).error, (400, "M_UNKNOWN"))

        def nothing_is_told_apart(key: Json) -> None:
            self.assertEqual([self.annotate(event, key).status for _ in range(2)], [200, 200])

        each(nothing_is_told_apart, [5, None, {}, "a\0b"])


class ThreadRootTests(RelationsTestCase):
    def test_threads_begin_with_what_relates_to_nothing(self) -> None:
        root = self.alice.send(self.room_id, "root")
        reply = self.reply(self.bob, root)
        for parent in (reply, self.edit(self.alice, root, "new"), self.react(self.bob, root)):
            relation = {"m.relates_to": {"rel_type": "m.thread", "event_id": parent}}
            answer = self.put(self.carol, "m.room.message", relation)
            self.assertEqual(answer.error, (400, "M_UNKNOWN"))
        # A rich reply is none of the relations.
        plain = {"body": "x", "m.relates_to": {"m.in_reply_to": {"event_id": root}}}
        rich = self.put(self.bob, "m.room.message", plain)["event_id"]
        self.reply(self.carol, rich)
        self.assertEqual(self.relations(self.bob, rich)["m.thread"]["count"], 1)
        self.reply(self.carol, "$unknown")


class RelatedRedactionTests(RelationsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.root = self.alice.send(self.room_id, "root")
        self.edited = self.edit(self.alice, self.root, "new")
        self.reaction = self.react(self.alice, self.root)
        self.replied = self.reply(self.bob, self.root)

    def redacted(self) -> list[str]:
        events = [self.root, self.edited, self.reaction, self.replied]
        return [
            event_id
            for event_id in events
            if "redacted_because" in self.alice.event(self.room_id, event_id)["unsigned"]
        ]

    def test_of_some_types(self) -> None:
        self.alice.redact(self.room_id, self.root, with_rel_types=["m.replace", "m.other"], reason="r")
        self.assertEqual(self.redacted(), [self.root, self.edited])
        because = self.alice.event(self.room_id, self.edited)["unsigned"]["redacted_because"]
        self.assertEqual(because["content"], {"reason": "r", "redacts": self.edited})
        self.assertEqual(because["sender"], self.alice.user_id)

    def test_of_any_type_by_the_unstable_name(self) -> None:
        self.alice.redact(self.room_id, self.root, **{"org.matrix.msc3912.with_relations": ["*"]})
        self.assertEqual(self.redacted(), [self.root, self.edited, self.reaction, self.replied])

    def test_none_unless_asked(self) -> None:
        self.alice.redact(self.room_id, self.root)
        self.assertEqual(self.redacted(), [self.root])
        self.assertEqual(self.relations(self.alice, self.root)["m.thread"]["count"], 1)

    def test_what_the_user_may_not_redact_stays(self) -> None:
        event = self.bob.send(self.room_id, "by bob")
        own, other = self.react(self.bob, event), self.react(self.alice, event)
        self.assertEqual(self.bob.redact(self.room_id, event, with_rel_types=["*"]).status, 200)
        self.assertIn("redacted_because", self.alice.event(self.room_id, own)["unsigned"])
        self.assertNotIn("redacted_because", self.alice.event(self.room_id, other)["unsigned"])

    def test_wrong_types(self) -> None:
        answer = self.alice.redact(self.room_id, self.root, with_rel_types="*")
        self.assertEqual(answer.error, (400, "M_BAD_JSON"))
        self.assertEqual(self.redacted(), [])

    def test_by_sending(self) -> None:
        for version in ("11", "12"):
            room_id = self.alice.create_room(room_version=version)
            event = self.alice.send(room_id, "x")
            path = f"/rooms/{room_id}/send/m.room.redaction/txn"
            self.assertEqual(self.alice.put(path, {"redacts": event}).status, 200)
            self.assertEqual(self.alice.event(room_id, event)["content"], {})
