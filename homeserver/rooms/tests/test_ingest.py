"""Events on their way to the disk: chains that break, processes that race, transaction IDs."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from homeserver.protocol.errors import Forbidden
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.json import decode_json
from homeserver.protocol.packed_half import unpack
from homeserver.rooms.appends import Accepted
from homeserver.rooms.draft import Sent
from homeserver.rooms.store.events import event_nids
from homeserver.rooms.tests.process import ALICE, BOB, Process, RoomsTestCase, SteppedThreads, message, state
from homeserver.runtime.threads import ThreadGroup
from homeserver.storage.engine import Conflict, Transaction
from homeserver.storage.migrate import migrate
from homeserver.storage.sqlite import Sqlite
from homeserver.streams.journal import Topic
from tests.databases import fresh_engine


class Obstacle:
    """A projection that stops the writes in which a certain text is."""

    def __init__(self) -> None:
        self.stops: dict[str, Exception] = {}
        self.once: dict[str, Exception] = {}

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        for event in events:
            body = event.event.content.get("body", "")
            if body in self.once:
                raise self.once.pop(body)
            if body in self.stops:
                raise self.stops[body]

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        return ()


def bodies(txn: Transaction, room_id: RoomID) -> list[str]:
    """The messages of the room in their order; the chain of all its events must be whole."""
    rows = txn.rows(
        """
        SELECT e.event_id, e.depth, b.client, b.federation FROM room r
        JOIN room_event e ON e.room = r.nid JOIN room_event_body b ON b.nid = e.nid
        WHERE r.room_id = %(room_id)s ORDER BY e.position
        """,
        room_id=room_id,
    )
    for earlier, later in pairwise(rows):
        assert unpack(later[3])["prev_events"] == [earlier[0]], "a fork"
        assert later[1] == earlier[1] + 1
    contents = [decode_json(client)["content"] for _, _, client, _ in rows]
    return [content["body"] for content in contents if "body" in content]


def transactions(txn: Transaction) -> dict[str, str]:
    """Event IDs by transaction ID."""
    return dict(txn.rows("SELECT txn_id, event_id FROM room_transaction"))


class IngestTestCase(RoomsTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database

    def setUp(self) -> None:
        self.engine, self.threads, self.obstacle = fresh_engine(), SteppedThreads(), Obstacle()
        self.one = self.process(self.engine, self.threads, [self.obstacle])
        self.room_id = self.result_of(self.one.create_room(invite=[BOB], preset="public_chat"))

    def bodies(self) -> list[str]:
        return self.result_of(self.one.db.read(bodies, self.room_id))

    def say(self, body: str, txn_id: str | None = None, by: Process | None = None) -> Deferred[Sent]:
        return (by or self.one).send(message(self.room_id, body, txn_id))


class ChainTests(IngestTestCase):
    """Each event is built on the one before it, which is not on the disk yet."""

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.threads.step()

    def test_all_that_was_built_on_a_failed_event_is_built_again(self) -> None:
        self.result_of(self.say("0"))
        self.obstacle.stops["1"] = OSError("no")
        self.threads.halt()
        sent = [self.say(str(number)) for number in range(1, 6)]
        self.threads.go_on()
        self.failureResultOf(sent[0], OSError)
        positions = [self.successResultOf(one).position or 0 for one in sent[1:]]
        self.assertEqual(positions, sorted(positions))
        self.assertEqual(self.bodies(), ["0", "2", "3", "4", "5"])

    def test_failures_within_a_chain(self) -> None:
        self.result_of(self.say("0"))
        self.obstacle.stops |= {"2": OSError("no"), "4": OSError("no")}
        self.threads.halt()
        sent = [self.say(str(number)) for number in range(1, 6)]
        self.threads.go_on()
        for number in (2, 4):
            self.failureResultOf(sent[number - 1], OSError)
        for number in (1, 3, 5):
            self.successResultOf(sent[number - 1])
        self.assertEqual(sorted(self.bodies()), ["0", "1", "3", "5"])

    def test_a_chain_that_comes_while_its_beginning_fails(self) -> None:
        """One group is on its way, the next is queued behind it, and the failed one begins anew meanwhile."""
        self.result_of(self.say("0"))
        self.obstacle.stops["1"] = OSError("no")
        for pause in range(6):
            self.threads.halt()
            sent = [self.say("1")]
            self.steps(pause)
            sent += [self.say("2"), self.say("3")]
            self.steps(1)
            sent += [self.say("4")]
            self.threads.go_on()
            self.failureResultOf(sent[0], OSError)
            for one in sent[1:]:
                self.successResultOf(one)
        said = self.bodies()
        self.assertEqual(sorted(said), sorted(["0", *("2", "3", "4") * 6]))

    def test_who_waits_for_a_failed_event_finds_another_head(self) -> None:
        self.result_of(self.say("0"))
        self.obstacle.stops["1"] = OSError("no")
        head = self.result_of(self.one.heads.get(self.room_id))
        self.threads.halt()
        sent = self.say("1")
        left: list[bool] = []

        async def wait() -> None:
            await head.settled()
            left.append(await self.one.heads.get(self.room_id) is head)

        waiting = Deferred.fromCoroutine(wait())
        self.threads.go_on()
        self.failureResultOf(sent, OSError)
        self.successResultOf(waiting)
        self.assertEqual(left, [False])

    def test_a_conflict_is_not_seen(self) -> None:
        self.result_of(self.say("0"))
        self.obstacle.once["2"] = Conflict("another one was faster")
        self.threads.halt()
        sent = [self.say(str(number)) for number in range(1, 4)]
        self.threads.go_on()
        for one in sent:
            self.successResultOf(one)
        self.assertEqual(self.bodies(), ["0", "1", "2", "3"])

    def test_state_that_fails_is_no_state(self) -> None:
        """What was built on it saw it, and must not see it when it is built again."""
        self.obstacle.stops["closed"] = OSError("no")
        rules = {"join_rule": "invite", "body": "closed"}
        self.threads.halt()
        closing = self.one.send(state(self.room_id, "m.room.join_rules", rules))
        joining = self.one.send(state(self.room_id, "m.room.member", {"membership": "join"}, BOB, BOB))
        self.threads.go_on()
        self.failureResultOf(closing, OSError)
        self.successResultOf(joining)
        self.assertEqual(self.bodies(), [])

    def test_repeated_state_is_not_acknowledged_before_it_is_stored(self) -> None:
        # What is asked of the head is in memory, so that nothing waits but the writing.
        self.result_of(self.one.send(state(self.room_id, "m.room.topic", {"topic": "dogs"})))
        self.result_of(self.say("0"))
        wish = state(self.room_id, "m.room.topic", {"topic": "cats"})
        self.obstacle.stops["0 again"] = OSError("no")
        self.threads.halt()
        failing = self.say("0 again")
        sent = [self.one.send(wish) for _ in range(3)]
        for one in sent:
            self.assertNoResult(one)
        self.threads.go_on()
        self.failureResultOf(failing, OSError)
        acknowledged = {self.successResultOf(one).event_id for one in sent}
        stored = self.result_of(self.one.db.read(lambda txn: event_nids(txn, list(acknowledged))))
        self.assertEqual(set(stored), acknowledged)
        self.assertFalse(self.result_of(self.one.send(wish)).new)

    def test_rooms_do_not_take_each_other_along(self) -> None:
        other = self.result_of(self.one.create_room())
        self.obstacle.stops["1"] = OSError("no")
        self.threads.halt()
        failing, fine = self.say("1"), self.one.send(message(other, "fine"))
        self.threads.go_on()
        self.failureResultOf(failing, OSError)
        self.successResultOf(fine)
        self.assertEqual(self.result_of(self.one.db.read(bodies, other)), ["fine"])


class TransactionTests(IngestTestCase):
    def transactions(self) -> dict[str, str]:
        return self.result_of(self.one.db.read(transactions))

    def test_the_id_is_stored_with_its_event_or_not_at_all(self) -> None:
        sent = self.result_of(self.say("1", "first"))
        self.obstacle.stops["2"] = OSError("no")
        self.failureResultOf(self.say("2", "second"), OSError)
        self.assertEqual(self.transactions(), {"first": sent.event_id})
        self.obstacle.stops.clear()
        again = self.result_of(self.say("2", "second"))
        self.assertTrue(again.new)
        self.assertEqual(self.transactions(), {"first": sent.event_id, "second": again.event_id})
        self.assertEqual(self.bodies(), ["1", "2"])

    def test_the_same_id_twice_in_one_group(self) -> None:
        self.threads.halt()
        sent = [self.say("1", "same"), self.say("2", "other"), self.say("1", "same")]
        self.threads.go_on()
        first, _, repeated = map(self.successResultOf, sent)
        self.assertEqual(repeated.event_id, first.event_id)
        self.assertEqual((first.new, repeated.new), (True, False))
        self.assertEqual(self.bodies(), ["1", "2"])

    def test_an_id_that_another_process_used(self) -> None:
        """It is not in memory here, and the head here is behind."""
        two = self.process(self.engine, self.threads)
        self.result_of(self.say("warm", "warm", two))
        first = self.result_of(self.say("1", "same"))
        repeated = self.result_of(self.say("1", "same", two))
        self.assertEqual((repeated.event_id, repeated.new), (first.event_id, False))
        self.assertEqual(self.bodies(), ["warm", "1"])
        self.successResultOf(self.say("2", "next", two))
        self.assertEqual(self.bodies(), ["warm", "1", "2"])

    def test_what_was_built_on_a_repeated_one_is_built_again(self) -> None:
        two = self.process(self.engine, self.threads)
        self.result_of(self.say("warm", "warm", two))
        first = self.result_of(self.say("1", "same"))
        self.threads.halt()
        sent = [self.say("1", "same", two), self.say("2", "a", two), self.say("3", "b", two)]
        self.threads.go_on()
        self.assertEqual(self.successResultOf(sent[0]).event_id, first.event_id)
        for one in sent[1:]:
            self.successResultOf(one)
        self.assertEqual(self.bodies(), ["warm", "1", "2", "3"])


class TwoProcessesTests(IngestTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.two = self.process(self.engine, self.threads)

    def test_turns(self) -> None:
        for number in range(6):
            self.result_of(self.say(str(number), by=(self.one, self.two)[number % 2]))
        self.assertEqual(self.bodies(), [str(number) for number in range(6)])

    def test_both_at_once_whatever_is_done_first(self) -> None:
        self.result_of(self.say("a", by=self.one))
        self.result_of(self.say("b", by=self.two))
        self.result_of(self.say("c", by=self.one))
        for pause in range(5):
            self.threads.halt()
            sent = [self.say(f"{pause}.1", by=self.one), self.say(f"{pause}.2", by=self.two)]
            for _ in range(pause):
                self.threads.step()
            sent += [self.say(f"{pause}.3", by=self.two), self.say(f"{pause}.4", by=self.one)]
            self.threads.go_on()
            for one in sent:
                self.successResultOf(one)
        said = self.bodies()
        self.assertEqual(sorted(said[3:]), sorted(f"{p}.{n}" for p in range(5) for n in range(1, 5)))

    def test_rights_taken_by_the_other_process(self) -> None:
        """The second builds on a head in which Bob may still speak."""
        join = state(self.room_id, "m.room.member", {"membership": "join"}, BOB, BOB)
        self.result_of(self.two.send(join))
        self.result_of(self.two.send(message(self.room_id, "hello", sender=BOB)))
        ban = state(self.room_id, "m.room.member", {"membership": "ban"}, BOB, ALICE)
        self.result_of(self.one.send(ban))
        refused = self.two.send(message(self.room_id, "still here", sender=BOB))
        self.failureResultOf(refused, Forbidden)
        self.assertEqual(self.bodies(), ["hello"])


class RealThreadsTests(TestCase):
    """Two processes' worth of threads on one file."""

    def setUp(self) -> None:
        directory = Path(mkdtemp())
        self.addCleanup(rmtree, directory)
        engine = Sqlite(str(directory / "db"))
        migrate(engine, progress=lambda _: None)
        self.processes = [Process(engine, partial(ThreadGroup, reactor)) for _ in range(2)]

    async def test_nothing_is_lost_doubled_or_forked(self) -> None:
        one, two = self.processes
        for process in self.processes:
            await process.start()
        room_id = await one.create_room()
        sent = [
            process.send(message(room_id, f"{name} {number}", f"{name} {number}"))
            for number in range(25)
            for name, process in (("one", one), ("two", two))
        ]
        try:
            answers = await gatherResults(sent, consumeErrors=True)
            said = await two.db.read(bodies, room_id)
        finally:
            for process in self.processes:
                await process.db.close()
        self.assertEqual(len({answer.event_id for answer in answers}), 50)
        self.assertEqual(sorted(said), sorted(f"{name} {n}" for name in ("one", "two") for n in range(25)))
