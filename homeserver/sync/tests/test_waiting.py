"""/sync at the wire as a long poll: what wakes it, and what it waits for in vain."""

from collections.abc import Callable
from typing import Any

from homeserver.sync.tests.test_sync import SyncTestCase, ids
from tests.client import SyncAnswer
from tests.wire import Exchange

Json = Any


class WaitingTestCase(SyncTestCase):
    # Who polls is there, which is news to all others.
    settings = ("presence.enabled=false",)

    def setUp(self) -> None:
        super().setUp()
        self.since = self.bob.sync().next_batch

    def woken(self, poll: Exchange) -> SyncAnswer:
        answer = poll.answer
        assert answer is not None, "it still waits"
        return SyncAnswer(answer.json)

    def check_wakes(self, act: Callable[[], Any]) -> SyncAnswer:
        """A poll waits until `act`, is then answered at once, and the next one waits again."""
        poll = self.bob.start_sync(self.bob.sync().next_batch)
        self.assertIsNone(poll.answer)
        act()
        answer = self.woken(poll)
        after = self.bob.start_sync(answer.next_batch)
        self.assertIsNone(after.answer)
        after.hang_up()
        return answer


class WakeTests(WaitingTestCase):
    def test_message(self) -> None:
        answer = self.check_wakes(lambda: self.alice.send(self.room_id, "hello"))
        self.assertEqual(len(answer.timeline(self.room_id)), 1)

    def test_own_message(self) -> None:
        self.check_wakes(lambda: self.bob.send(self.room_id, "hello"))

    def test_typing(self) -> None:
        path = f"/rooms/{self.room_id}/typing/{self.alice.user_id}"
        answer = self.check_wakes(lambda: self.alice.put(path, {"typing": True, "timeout": 5000}))
        (edu,) = answer.ephemeral(self.room_id)
        self.assertEqual(edu, {"type": "m.typing", "content": {"user_ids": [self.alice.user_id]}})
        self.assertEqual(answer.timeline(self.room_id), [])
        answer = self.check_wakes(lambda: self.advance(5))
        self.assertEqual(answer.ephemeral(self.room_id)[0]["content"], {"user_ids": []})

    def test_receipt(self) -> None:
        event_id = self.alice.send(self.room_id, "hello")
        path = f"/rooms/{self.room_id}/receipt/m.read/{event_id}"
        answer = self.check_wakes(lambda: self.alice.post(path))
        (edu,) = answer.ephemeral(self.room_id)
        ts = 1_700_000_000_000
        self.assertEqual(edu["content"], {event_id: {"m.read": {self.alice.user_id: {"ts": ts}}}})

    def test_account_data(self) -> None:
        path = f"/user/{self.bob.user_id}/account_data/org.example"
        answer = self.check_wakes(lambda: self.bob.put(path, {"a": 1}))
        self.assertEqual(
            answer.json["account_data"]["events"], [{"type": "org.example", "content": {"a": 1}}]
        )

    def test_room_account_data(self) -> None:
        path = f"/user/{self.bob.user_id}/rooms/{self.room_id}/account_data/org.example"
        answer = self.check_wakes(lambda: self.bob.put(path, {"a": 1}))
        events = answer.room(self.room_id)["account_data"]["events"]
        self.assertEqual(events, [{"type": "org.example", "content": {"a": 1}}])

    def test_memberships(self) -> None:
        other = self.alice.create_room()
        for act, section in (
            (lambda: self.alice.invite(other, self.bob), "invite"),
            (lambda: self.bob.join(other), "join"),
            (lambda: self.alice.kick(other, self.bob), "leave"),
        ):
            self.assertEqual(self.sections(self.check_wakes(act)), {section: [other]})

    def test_a_room_that_was_joined_while_waiting(self) -> None:
        other = self.alice.create_room(invite=[self.bob.user_id])
        since = self.bob.sync().next_batch
        poll = self.bob.start_sync(since)
        self.bob.join(other)
        since = self.woken(poll).next_batch
        poll = self.bob.start_sync(since)
        sent = self.alice.send(other, "hello")
        self.assertEqual(ids(self.woken(poll).timeline(other)), [sent])

    def test_all_who_wait(self) -> None:
        polls = [self.bob.start_sync(self.since) for _ in range(3)]
        self.alice.send(self.room_id, "hello")
        self.assertEqual(len({self.woken(poll).next_batch for poll in polls}), 1)

    def test_each_long_poll_misses_nothing(self) -> None:
        """What is sent between two polls is told by the second, at once."""
        since, told, sent = self.since, [], []
        for number in range(10):
            poll = self.bob.start_sync(since)
            sent.append(self.alice.send(self.room_id, f"{number} while waiting"))
            answer = self.woken(poll)
            told += ids(answer.timeline(self.room_id))
            since = answer.next_batch
            sent.append(self.alice.send(self.room_id, f"{number} between"))
        told += ids(self.bob.sync(since).timeline(self.room_id))
        self.assertEqual(told, sent)

    def test_old_news_are_told_at_once(self) -> None:
        sent = self.alice.send(self.room_id, "hello")
        self.assertEqual(ids(self.woken(self.bob.start_sync(self.since)).timeline(self.room_id)), [sent])

    def test_an_initial_sync_does_not_wait(self) -> None:
        carol = self.register("carol")
        self.assertIsNotNone(carol.start("GET", "/sync", query={"timeout": 30_000}).answer)


class SleepTests(WaitingTestCase):
    def check_sleeps_through(self, act: Callable[[], Any], **query: Any) -> None:
        poll = self.bob.start_sync(self.since, **query)
        act()
        self.assertIsNone(poll.answer)
        self.advance(30)
        self.assertEqual(self.sections(self.woken(poll)), {})

    def test_nothing(self) -> None:
        self.check_sleeps_through(lambda: None)

    def test_rooms_of_others(self) -> None:
        other = self.alice.create_room()
        self.check_sleeps_through(lambda: self.alice.send(other, "hello"))

    def test_rooms_that_were_left(self) -> None:
        self.bob.leave(self.room_id)
        self.since = self.bob.sync(self.since).next_batch
        self.check_sleeps_through(lambda: self.alice.send(self.room_id, "hello"))

    def test_account_data_of_others(self) -> None:
        path = f"/user/{self.alice.user_id}/account_data/org.example"
        self.check_sleeps_through(lambda: self.alice.put(path, {}))

    def test_private_receipts_of_others(self) -> None:
        event_id = self.alice.send(self.room_id, "hello")
        self.since = self.bob.sync().next_batch
        path = f"/rooms/{self.room_id}/receipt/m.read.private/{event_id}"
        self.check_sleeps_through(lambda: self.alice.post(path))

    def test_what_the_filter_drops(self) -> None:
        def act() -> None:
            self.alice.send(self.room_id, "hello")
            self.alice.put(f"/rooms/{self.room_id}/typing/{self.alice.user_id}", {"typing": True})

        wish = {"room": {"timeline": {"types": ["org.example"]}, "ephemeral": {"types": []}}}
        self.check_sleeps_through(act, filter=wish)


class TimeoutTests(WaitingTestCase):
    def test_it_is_kept(self) -> None:
        poll = self.bob.start_sync(self.since, timeout=5000)
        self.advance(4.9)
        self.assertIsNone(poll.answer)
        self.advance(0.2)
        self.assertEqual(self.woken(poll).next_batch, self.since)

    def test_none_is_no_wait(self) -> None:
        for timeout in (0, -1):
            self.assertIsNotNone(self.bob.start_sync(self.since, timeout=timeout).answer)

    def test_it_counts_from_the_beginning(self) -> None:
        """What wakes a poll in vain does not make it wait any longer."""
        wish: Json = {"room": {"timeline": {"types": []}}}
        poll = self.bob.start_sync(self.since, timeout=5000, filter=wish)
        for _ in range(4):
            self.advance(1)
            self.alice.send(self.room_id, "hello")
        self.assertIsNone(poll.answer)
        self.advance(1)
        self.woken(poll)

    def test_nobody_waits_for_ever(self) -> None:
        poll = self.bob.start_sync(self.since, timeout=10**12)
        self.advance(300)
        self.woken(poll)


class EndTests(WaitingTestCase):
    def test_hanging_up(self) -> None:
        self.bob.start_sync(self.since).hang_up()
        sent = self.alice.send(self.room_id, "hello")
        self.assertEqual(ids(self.bob.sync(self.since).timeline(self.room_id)), [sent])

    def test_a_server_that_stops_answers(self) -> None:
        poll = self.bob.start_sync(self.since)
        self.restart()
        self.assertEqual(self.woken(poll).next_batch, self.since)

    def test_news_while_the_database_is_at_work(self) -> None:
        """What comes while a sync reads is told by it, or by the next."""
        self.alice.send(self.room_id, "first")
        self.restart()
        self.threads.halt()
        poll = self.bob.start_sync(self.since)
        sending = self.alice.start("PUT", f"/rooms/{self.room_id}/send/m.room.message/1", {"body": "second"})
        self.threads.go_on()
        sent = sending.answer
        assert sent is not None
        answer = self.woken(poll)
        told = ids(answer.timeline(self.room_id))
        told += ids(self.bob.sync(answer.next_batch).timeline(self.room_id))
        self.assertEqual((len(told), told[-1]), (2, sent["event_id"]))
