"""Messages that a room keeps no longer (m.room.retention)."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any, ClassVar

from homeserver.rooms.verification.database import verify
from homeserver.rooms.verification.tests.test_rooms import IDENTITY
from homeserver.storage.engine import Transaction
from tests.wire import WireClient, WireTestCase

Json = Any

HOUR = 3600
NOT_FOUND = (404, "M_NOT_FOUND")


class ExpiryTestCase(WireTestCase):
    settings: ClassVar[Sequence[str]] = (
        "retention={enabled: true, allowed_lifetime_min: 1h, allowed_lifetime_max: 10h}",
    )

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob])

    def keep(self, hours: float) -> None:
        content = {"max_lifetime": int(hours * HOUR * 1000)}
        self.assertEqual(self.alice.set_state(self.room_id, "m.room.retention", content).status, 200)

    def messages(self, user: WireClient | None = None) -> list[str]:
        """The IDs of the messages that are told, oldest first, in every way the same."""
        user = user or self.alice
        chunk = user.messages(self.room_id, "f", limit=100)["chunk"]
        timeline = user.sync(filter={"room": {"timeline": {"limit": 100}}}).timeline(self.room_id)
        by_page, by_sync = (
            [event["event_id"] for event in events if event["type"] == "m.room.message"]
            for events in (chunk, timeline)
        )
        self.assertEqual(by_page, by_sync)
        return by_page

    def stored(self, table: str, column: str, text: str) -> int:
        """How many rows have the text."""

        def count(txn: Transaction) -> int:
            rows = txn.rows(f"SELECT {column} FROM {table}")
            return sum(
                text in (bytes(value).decode() if not isinstance(value, str) else value) for (value,) in rows
            )

        counted: int = self.successResultOf(self.server.db.read(count))
        return counted

    def purge(self) -> None:
        """Until the daily job has run."""
        self.advance(24 * HOUR)


class HidingTests(ExpiryTestCase):
    def test_from_the_moment_on(self) -> None:
        self.keep(2)
        old = self.alice.send(self.room_id, "old")
        self.advance(1.5 * HOUR)
        new = self.alice.send(self.room_id, "new")
        self.assertEqual(self.messages(), [old, new])
        self.advance(HOUR)
        self.assertEqual(self.messages(), [new])
        self.assertEqual(self.messages(self.bob), [new])
        self.assertEqual(self.alice.event(self.room_id, old).error, NOT_FOUND)
        self.assertEqual(self.alice.get(f"/rooms/{self.room_id}/context/{old}").error, NOT_FOUND)
        relations = f"/_matrix/client/v1/rooms/{self.room_id}/relations/{old}"
        self.assertEqual(self.alice.get(relations).error, NOT_FOUND)
        body = {"search_categories": {"room_events": {"search_term": "old"}}}
        self.assertEqual(self.alice.post("/search", body)["search_categories"]["room_events"]["results"], [])

    def test_long_absent_clients(self) -> None:
        self.keep(2)
        since = self.bob.sync().next_batch
        self.alice.send(self.room_id, "old")
        self.advance(1.5 * HOUR)
        new = self.alice.send(self.room_id, "new")
        self.advance(HOUR)
        told = self.bob.sync(since).timeline(self.room_id)
        self.assertEqual([event["event_id"] for event in told], [new])

    def test_state_stays(self) -> None:
        self.keep(1)
        self.alice.set_state(self.room_id, "m.room.topic", {"topic": "t"})
        self.advance(5 * HOUR)
        types = {event["type"] for event in self.alice.messages(self.room_id, limit=100)["chunk"]}
        self.assertIn("m.room.topic", types)
        self.assertEqual(self.alice.state(self.room_id, "m.room.topic").json, {"topic": "t"})

    def test_the_bounds_of_the_operator(self) -> None:
        self.keep(0.1)
        event = self.alice.send(self.room_id, "x")
        self.advance(0.9 * HOUR)
        self.assertEqual(self.messages(), [event])
        self.keep(1000)
        self.advance(9 * HOUR)
        self.assertEqual(self.messages(), [event])
        self.advance(0.2 * HOUR)
        self.assertEqual(self.messages(), [])

    def test_policies_that_say_nothing(self) -> None:
        event = self.alice.send(self.room_id, "x")
        for lifetime in (None, "1", -1, True, 1.5):
            self.alice.set_state(self.room_id, "m.room.retention", {"max_lifetime": lifetime})
            self.advance(20 * HOUR)
            self.assertEqual(self.messages(), [event])


class DeletionTests(ExpiryTestCase):
    def test_content_leaves_the_disk(self) -> None:
        self.keep(2)
        old = self.alice.send(self.room_id, "gone for good")
        reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": old, "key": "gone for good"}}
        self.bob.put(f"/rooms/{self.room_id}/send/m.reaction/r", reaction)
        self.alice.set_state(self.room_id, "m.room.topic", {"topic": "stays"})
        other = self.alice.create_room()
        self.alice.send(other, "elsewhere")
        self.assertEqual(self.stored("room_event_body", "client", "gone for good"), 2)
        self.purge()
        self.assertEqual(self.stored("room_event_body", "client", "gone for good"), 0)
        self.assertEqual(self.stored("search_message", "words", "good"), 0)
        self.assertEqual(self.stored("room_relation", "parent", old), 0)
        self.assertEqual(self.stored("room_relation_sender", "parent", old), 0)
        self.assertEqual(self.stored("room_event_body", "client", "stays"), 1)
        self.assertEqual(self.stored("room_event_body", "client", "elsewhere"), 1)
        self.assertEqual(self.messages(), [])

    def test_the_newest_event_stays_until_it_is_no_longer_the_newest(self) -> None:
        self.keep(2)
        self.alice.send(self.room_id, "the newest")
        self.purge()
        self.assertEqual(self.stored("room_event_body", "client", "the newest"), 1)
        self.assertEqual(self.messages(), [])
        self.alice.send(self.room_id, "another")
        self.purge()
        self.assertEqual(self.stored("room_event_body", "client", "the newest"), 0)

    def test_many_of_one_moment(self) -> None:
        self.keep(2)
        for number in range(250):
            self.alice.send(self.room_id, f"many {number}")
        self.alice.set_state(self.room_id, "m.room.topic", {"topic": "t"})
        self.purge()
        self.assertEqual(self.stored("room_event_body", "client", "many"), 0)

    def test_the_database_is_still_sound(self) -> None:
        self.keep(2)
        event = self.alice.send(self.room_id, "old")
        self.alice.redact(self.room_id, self.alice.send(self.room_id, "redacted"))
        self.alice.put(f"/rooms/{self.room_id}/redact/{event}/twice", {})
        self.alice.send(self.room_id, "old too")
        self.alice.send(self.room_id, "the newest")
        self.purge()
        self.assertEqual(self.stored("room_event_body", "client", "old too"), 0)
        with closing(self._engine.connect()) as connection:
            found = verify(connection, IDENTITY, lambda findings, rooms: None)
        self.assertEqual(list(found.lines()), [])

    def test_the_room_goes_on(self) -> None:
        self.keep(2)
        self.alice.send(self.room_id, "old")
        self.purge()
        self.restart()
        new = self.alice.send(self.room_id, "new")
        self.assertEqual(self.messages(), [new])


class JobTests(ExpiryTestCase):
    settings: ClassVar[Sequence[str]] = (
        "retention={enabled: true, default_policy: {max_lifetime: 5h},"
        " purge_jobs: [{longest_max_lifetime: 3h, interval: 1h}, {shortest_max_lifetime: 3h, interval: 12h}]}",
    )

    def test_each_for_its_rooms(self) -> None:
        quick = self.room_id
        self.keep(2)
        slow = self.alice.create_room()
        for room_id in (quick, slow):
            self.alice.send(room_id, f"message {room_id}")
            self.alice.set_state(room_id, "m.room.topic", {"topic": "t"})
        for hours, left in ((3.5, [slow]), (6, [slow]), (12.5, [])):
            self.reactor.advance(1_700_000_000 + hours * HOUR - self.reactor.seconds())
            found = [
                room_id
                for room_id in (quick, slow)
                if self.stored("room_event_body", "client", f"message {room_id}")
            ]
            self.assertEqual(found, left)

    def test_the_default_policy(self) -> None:
        self.room_id = self.alice.create_room()
        event = self.alice.send(self.room_id, "x")
        self.advance(4.9 * HOUR)
        self.assertEqual(self.messages(), [event])
        self.advance(0.2 * HOUR)
        self.assertEqual(self.messages(), [])


class SwitchedOffTests(ExpiryTestCase):
    settings: ClassVar[Sequence[str]] = ()

    def test_policies_mean_nothing(self) -> None:
        self.keep(1)
        event = self.alice.send(self.room_id, "x")
        self.alice.set_state(self.room_id, "m.room.topic", {"topic": "t"})
        self.purge()
        self.assertEqual(self.messages(), [event])
