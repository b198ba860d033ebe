"""What is derived for searching, relations and spaces is as it was before, once it is made anew."""

from typing import Any

from homeserver.rooms.verification.tests.test_rooms import TOPIC, VerificationTestCase
from homeserver.storage.engine import Transaction
from tests.wire import SERVER_NAME

_TABLES = (
    "room_description",
    "room_inhabitant",
    "room_relation",
    "room_relation_sender",
    "room_space_child",
    "room_thread",
    "search_message",
    "search_public_room",
)


class ReadModelTests(VerificationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.fill()

    def fill(self) -> None:
        self.alice.set_state(self.room_id, TOPIC, {"topic": "one"})
        self.alice.set_state(self.room_id, "m.room.join_rules", {"join_rule": "public"})
        said = self.bob.send(self.room_id, "hello")
        oops = self.bob.send(self.room_id, "oops")
        self.alice.redact(self.room_id, oops)
        reactions = [self.relate(said, "m.annotation", key=key) for key in "abc"]
        self.alice.redact(self.room_id, reactions[1])
        self.relate(said, "m.thread")
        for child in ("one", "two", "three"):
            content = {"via": [SERVER_NAME], "suggested": child == "one"}
            added = self.alice.set_state(self.room_id, "m.space.child", content, f"!{child}:{SERVER_NAME}")
            if child == "two":
                self.alice.redact(self.room_id, added["event_id"])
        self.alice.set_state(self.room_id, "m.space.child", {}, f"!three:{SERVER_NAME}")

    def relate(self, parent: str, rel_type: str, **more: str) -> str:
        relation = {"rel_type": rel_type, "event_id": parent, **more}
        content = {"m.relates_to": relation, "body": "x", "msgtype": "m.text"}
        type_ = "m.reaction" if rel_type == "m.annotation" else "m.room.message"
        path = f"/rooms/{self.room_id}/send/{type_}/{rel_type}{len(more)}{more}"
        return str(self.bob.put(path, content)["event_id"])

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        def read(txn: Transaction) -> dict[str, list[tuple[Any, ...]]]:
            return {table: sorted(txn.rows(f"SELECT * FROM {table}")) for table in _TABLES}

        return self.successResultOf(self.server.db.read(read))

    def test_what_is_lost(self) -> None:
        before = self.tables()
        self.assertEqual([table for table, rows in before.items() if not rows], [])
        for table in _TABLES:
            self.change(f"DELETE FROM {table}")
        self.assertEqual(self.rebuild(), [])
        self.assertEqual(self.tables(), before)

    def test_what_is_too_much(self) -> None:
        before = self.tables()
        self.change("UPDATE room_description SET name = 'other'")
        self.change("UPDATE room_relation_sender SET children = children + 1")
        self.change("UPDATE room_space_child SET suggested = 1 - suggested")
        self.change("UPDATE search_message SET words = 'other'")
        self.assertEqual(self.rebuild(), [])
        self.assertEqual(self.tables(), before)

    def test_what_is_right(self) -> None:
        before = self.tables()
        self.assertEqual(self.rebuild(), [])
        self.assertEqual(self.tables(), before)
        # And once the content of what was redacted is gone.
        self.advance(8 * 24 * 3600)
        self.assertEqual(self.rebuild(), [])
        self.assertEqual(self.tables(), before)
