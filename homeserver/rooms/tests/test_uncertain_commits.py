"""The database stored what was sent, but the connection was lost before it could say so."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from homeserver.storage.engine import Connection, DatabaseUnavailable, Engine, Transaction
from homeserver.streams.journal import current_position
from tests.wire import WireClient, WireTestCase

UNAVAILABLE = (503, "M_UNKNOWN")


class ForgetfulEngine:
    """An engine that may commit a change of the position and then be unable to say so."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.loses_next_position = False
        self.name, self.readers = engine.name, engine.readers

    def connect(self) -> Connection:
        return ForgetfulConnection(self._engine.connect(), self)

    def raw_connection(self) -> Any:
        return self._engine.raw_connection()

    def check(self) -> None:
        self._engine.check()


class ForgetfulConnection:
    def __init__(self, connection: Connection, engine: ForgetfulEngine) -> None:
        self._connection = connection
        self._engine = engine
        self.reading = connection.reading
        self.close = connection.close

    @contextmanager
    def writing(self, *, ordered: bool) -> Iterator[Transaction]:
        with self._connection.writing(ordered=ordered) as txn:
            before = current_position(txn)
            yield txn
            moves = current_position(txn) != before
        if moves and self._engine.loses_next_position:
            self._engine.loses_next_position = False
            raise DatabaseUnavailable("the connection was lost")


class UncertainCommitTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob], preset="public_chat")
        self.since = self.bob.sync().next_batch

    def _start(self) -> None:
        self._engine = self.forgetful = ForgetfulEngine(self._engine)
        super()._start()

    def say(self, client: WireClient, txn_id: str) -> str:
        return str(client.put(self.path(txn_id), {"msgtype": "m.text", "body": txn_id})["event_id"])

    def say_in_vain(self, txn_id: str) -> None:
        self.forgetful.loses_next_position = True
        answer = self.alice.put(self.path(txn_id), {"msgtype": "m.text", "body": txn_id})
        self.assertEqual(answer.error, UNAVAILABLE)

    def path(self, txn_id: str) -> str:
        return f"/rooms/{self.room_id}/send/m.room.message/{txn_id}"

    def news(self) -> list[str]:
        """What Bob was not told of yet."""
        answer = self.bob.sync(self.since)
        self.since = answer.next_batch
        return [event["event_id"] for event in answer.timeline(self.room_id)]

    def test_the_repetition_finds_it_and_all_are_told_once(self) -> None:
        self.say_in_vain("1")
        self.assertEqual(self.news(), [])
        event_id = self.say(self.alice, "1")
        self.assertEqual(self.news(), [event_id])
        self.assertEqual(self.say(self.alice, "1"), event_id)
        self.assertEqual(self.news(), [])

    def test_it_keeps_its_place_among_others(self) -> None:
        first = self.say(self.bob, "1")
        self.say_in_vain("1")
        second = self.say(self.bob, "2")
        told = self.news()
        self.assertEqual(told, [first, self.say(self.alice, "1"), second])
        third = self.say(self.alice, "3")
        self.assertEqual(self.news(), [third])

    def test_a_long_poll_is_woken(self) -> None:
        poll = self.bob.start_sync(self.since)
        self.say_in_vain("1")
        self.assertIsNone(poll.answer)
        # Something else, in another room, brings it to light.
        self.alice.create_room()
        assert poll.answer is not None
        self.assertIn(self.room_id, poll.answer["rooms"]["join"])

    def test_memberships_are_known(self) -> None:
        carol = self.register("carol")
        since = carol.sync().next_batch
        self.forgetful.loses_next_position = True
        self.assertEqual(carol.join(self.room_id).error, UNAVAILABLE)
        self.assertEqual(carol.join(self.room_id).status, 200)
        self.say(self.alice, "1")
        self.assertIn(self.room_id, carol.sync(since).json["rooms"]["join"])
        self.assertEqual(len(self.news()), 2)

    def test_a_room_made_in_vain_is_there(self) -> None:
        self.forgetful.loses_next_position = True
        self.assertEqual(self.alice.post("/createRoom").error, UNAVAILABLE)
        self.say(self.alice, "1")
        self.assertEqual(len(self.alice.get("/joined_rooms")["joined_rooms"]), 2)

    def test_receipts_and_account_data_are_told(self) -> None:
        event_id = self.say(self.alice, "1")
        self.news()
        self.forgetful.loses_next_position = True
        path = f"/user/{self.bob.user_id}/account_data/org.example"
        self.assertEqual(self.bob.put(path, {"x": 1}).error, UNAVAILABLE)
        self.forgetful.loses_next_position = True
        answer = self.alice.post(f"/rooms/{self.room_id}/receipt/m.read/{event_id}")
        self.assertEqual(answer.error, UNAVAILABLE)
        self.say(self.alice, "2")
        told = self.bob.sync(self.since).json
        self.assertEqual(told["account_data"]["events"], [{"type": "org.example", "content": {"x": 1}}])
        ephemeral = told["rooms"]["join"][self.room_id]["ephemeral"]["events"]
        (receipt,) = [event for event in ephemeral if event["type"] == "m.receipt"]
        self.assertIn(event_id, receipt["content"])
