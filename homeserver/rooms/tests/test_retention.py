"""Redacted content is gone from the database after a while, on a fake clock."""

from contextlib import closing
from pathlib import Path

from homeserver.rooms.store.events import insert_bodies
from homeserver.rooms.store.redacted_content import replace_bodies
from homeserver.storage.migrate import migrate
from homeserver.storage.sqlite import Sqlite
from tests.wire import WireTestCase

DAY = 24 * 3600


class RetentionTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")
        self.room_id = self.alice.create_room()
        self.event_id = self.alice.send(self.room_id, "a secret")

    def is_stored(self, text: str) -> bool:
        rows = self.successResultOf(
            self.server.db.read(lambda txn: txn.rows("SELECT client, federation FROM room_event_body"))
        )
        return any(text.encode() in half for row in rows for half in row)

    def retained(self) -> int:
        rows = self.successResultOf(
            self.server.db.read(lambda txn: txn.rows("SELECT event FROM room_redacted_content"))
        )
        return len(rows)


class RetentionTests(RetentionTestCase):
    settings = ("redaction_retention_period=2d",)

    def test_dropped_after_the_period(self) -> None:
        redaction = self.alice.redact(self.room_id, self.event_id)["event_id"]
        self.advance(2 * DAY - 700)
        self.assertTrue(self.is_stored("a secret"))
        self.advance(1400)
        self.assertFalse(self.is_stored("a secret"))
        self.assertEqual(self.retained(), 0)
        event = self.alice.event(self.room_id, self.event_id).json
        self.assertEqual((event["event_id"], event["content"]), (self.event_id, {}))
        self.assertEqual(event["unsigned"]["redacted_because"]["event_id"], redaction)

    def test_counts_from_the_redaction(self) -> None:
        self.advance(5 * DAY)
        self.alice.redact(self.room_id, self.event_id)
        self.advance(DAY)
        self.assertTrue(self.is_stored("a secret"))

    def test_the_rest_stays(self) -> None:
        self.alice.send(self.room_id, "no secret")
        self.alice.redact(self.room_id, self.event_id)
        self.advance(3 * DAY)
        self.assertTrue(self.is_stored("no secret"))

    def test_state_goes_on_to_hold(self) -> None:
        levels = self.alice.state(self.room_id, "m.room.power_levels", format="event").json
        self.alice.redact(self.room_id, levels["event_id"])
        self.advance(3 * DAY)
        self.restart()
        kept = self.alice.state(self.room_id, "m.room.power_levels").json
        self.assertEqual(kept["users"], levels["content"]["users"])
        self.alice.send(self.room_id, "still here")

    def test_redactions_without_effect_are_not_remembered(self) -> None:
        self.alice.redact(self.room_id, self.event_id)
        self.alice.redact(self.room_id, self.event_id)
        self.alice.redact(self.room_id, "$" + "a" * 43)
        self.assertEqual(self.retained(), 1)
        self.advance(3 * DAY)
        self.alice.redact(self.room_id, self.event_id)
        self.assertEqual(self.retained(), 0)

    def test_more_than_one_batch(self) -> None:
        for number in range(120):
            self.alice.redact(self.room_id, self.alice.send(self.room_id, f"secret {number}"))
        self.advance(3 * DAY)
        self.assertFalse(self.is_stored("secret "))
        self.assertEqual(self.retained(), 0)

    def test_a_damaged_body_does_not_keep_the_others(self) -> None:
        other = self.alice.send(self.room_id, "another one")
        self.alice.redact(self.room_id, other)
        self.alice.redact(self.room_id, self.event_id)
        self.successResultOf(
            self.server.db.write(
                lambda txn: txn.execute(
                    """
                    UPDATE room_event_body SET federation = %(no)s
                    WHERE nid = (SELECT nid FROM room_event WHERE event_id = %(id)s)
                    """,
                    no=b"{",
                    id=other,
                )
            )
        )
        self.advance(3 * DAY)
        self.assertFalse(self.is_stored("a secret"))
        self.assertTrue(self.is_stored("another one"))


class ForeverTests(RetentionTestCase):
    settings = ("redaction_retention_period=null",)

    def test_kept(self) -> None:
        self.alice.redact(self.room_id, self.event_id)
        self.advance(100 * DAY)
        self.assertTrue(self.is_stored("a secret"))
        self.assertEqual(self.retained(), 1)


def test_what_is_replaced_is_overwritten_in_the_file(tmp_path: Path) -> None:
    """With SQLite; a server of PostgreSQL's sweeps by itself."""
    path = tmp_path / "database"
    engine = Sqlite(str(path))
    migrate(engine, progress=lambda _: None)
    secret = b"a secret " * 1000
    with closing(engine.connect()) as connection:
        with connection.writing(ordered=False) as txn:
            insert_bodies(txn, [(1, secret, b"{}")])
        with connection.writing(ordered=False) as txn:
            replace_bodies(txn, [(1, b"{}", b"{}")])
    # The last connection took the write-ahead log with it.
    assert b"a secret" not in path.read_bytes()
