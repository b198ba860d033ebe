from typing import Any

import msgspec

from federation.incoming import staging
from federation.incoming.store import StagedEvent, first_staged, insert_transaction
from federation.incoming.tests.neighbour import ROB, NeighbourTestCase
from homeserver.http.outbound import Outbound, RequestFailed, Response
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import encode_json
from homeserver.storage.engine import Transaction


class TransactionTests(NeighbourTestCase):
    def test_a_message(self) -> None:
        self.join()
        message = self.event()
        self.assertEqual(self.send(message).json, {"pdus": {message.event_id: {}}})
        self.assertEqual(self.bodies(), ["hello"])
        self.assertEqual(self.staged(), 0)

    def test_several_in_their_order(self) -> None:
        joined = self.member("join")
        first = self.event(after=(joined,))
        second = self.event(content={"body": "again"}, after=(first,), citing=(joined,))
        self.send(joined, first, second)
        self.assertEqual(self.bodies(), ["hello", "again"])

    def chain(self, first: Event, number: int) -> list[Event]:
        """Messages that follow each other."""
        chain = [first]
        for each in range(number):
            content = {"body": str(each)}
            chain.append(self.event(content=content, after=(chain[-1],), citing=(first,)))
        return chain[1:]

    def test_many_in_their_order(self) -> None:
        joined = self.join()
        messages = self.chain(joined, 120)
        for start in range(0, 120, 40):
            self.send(*messages[start : start + 40])
        told = self.alice.get(f"/rooms/{self.room_id}/messages", dir="b", limit=120)["chunk"]
        self.assertEqual([one["content"]["body"] for one in told], [str(each) for each in range(119, -1, -1)])
        self.assertEqual((self.staged(), self.head().extremities), (0, (messages[-1].event_id,)))

    def test_one_among_others_is_not_allowed(self) -> None:
        joined = self.join()
        before, *rest = self.chain(joined, 2)
        forbidden = self.event("m.room.name", {"name": "x"}, state_key="", after=(before,), citing=(joined,))
        after = self.event(content={"body": "after"}, after=(forbidden,), citing=(joined,))
        self.send(before, forbidden, after, *rest)
        self.assertEqual(sorted(self.bodies()), ["0", "1", "after"])
        self.assertFalse(self.has(forbidden.event_id))
        self.assertEqual(self.staged(), 0)

    def test_one_came_in_while_others_were_on_their_way(self) -> None:
        """Then the database refuses it, and what was built on it."""
        joined = self.join()
        messages = self.chain(joined, 3)
        self.send(messages[0])

        def as_if_new(txn: Transaction, *asked: Any) -> list[StagedEvent]:
            return [one._replace(is_here=False) for one in first_staged(txn, *asked)]

        self.patch(staging, "first_staged", as_if_new)
        # Only what follows the head is taken without a second look.
        self.send(self.event(content={"body": "same"}, after=(messages[0],), citing=(joined,)))
        self.send(*messages)
        self.assertEqual(sorted(self.bodies()), ["0", "1", "2", "same"])
        self.assertEqual(self.staged(), 0)

    def test_a_repeated_transaction_has_the_same_answer_and_no_effect(self) -> None:
        self.join()
        message = self.event()
        first = self.send(message, txn_id="same")
        other = self.event(content={"body": "other"})
        self.assertEqual(self.send(other, txn_id="same").json, first.json)
        self.assertEqual(self.bodies(), ["hello"])
        # The transaction IDs of another server are its own.
        stranger = self.other_server("stranger.example")
        self.assertEqual(self.send(other, txn_id="same", by=stranger)["pdus"], {other.event_id: {}})

    def test_transactions_are_forgotten_after_a_day(self) -> None:
        self.send(txn_id="old")
        self.assertEqual(self.count("federation_transaction"), 1)
        self.reactor.pump([3600] * 26)
        self.assertEqual(self.count("federation_transaction"), 0)

    def test_too_many(self) -> None:
        self.assertEqual(self.send(*[{}] * 51).error, (400, "M_BAD_JSON"))
        self.assertEqual(self.send(edus=[{}] * 101).error, (400, "M_BAD_JSON"))
        self.assertEqual(self.send(*[{}] * 50, edus=[{}] * 100).json, {"pdus": {}})

    def test_the_same_event_again(self) -> None:
        self.join()
        message = self.event()
        for _ in range(2):
            self.assertEqual(self.send(message)["pdus"], {message.event_id: {}})
        self.assertEqual(self.bodies(), ["hello"])

    def test_an_event_that_is_not_signed_by_its_server(self) -> None:
        self.join()
        forged = self.event(sender=UserID("@eve:elsewhere.example"))
        self.assertIn("error", self.send(forged)["pdus"][forged.event_id])
        message = self.event()
        unsigned = msgspec.structs.replace(message, signatures={})
        self.assertIn("error", self.send(unsigned)["pdus"][message.event_id])
        self.assertEqual(self.bodies(), [])

    def test_an_event_with_other_content_is_redacted(self) -> None:
        self.join()
        message = msgspec.structs.replace(self.event(), content={"body": "changed on the way"})
        self.assertEqual(self.send(message)["pdus"], {message.event_id: {}})
        stored = self.alice.get(f"/rooms/{self.room_id}/event/{message.event_id}")
        self.assertEqual(stored["content"], {})

    def test_an_event_that_is_not_allowed(self) -> None:
        message = self.event()
        # It is well-formed and signed, so it is taken in, and refused there.
        self.assertEqual(self.send(message)["pdus"], {message.event_id: {}})
        self.assertEqual((self.bodies(), self.staged()), ([], 0))
        self.assertFalse(self.has(message.event_id))

    def test_what_is_no_event(self) -> None:
        self.assertEqual(self.send({"room_id": self.room_id}, {}, {"room_id": 1})["pdus"], {})

    def test_a_room_that_is_not_known(self) -> None:
        pdu = {**self.event().pdu(), "room_id": "!elsewhere:remote.example", "event_id": "$x:remote.example"}
        self.assertIn("error", self.send(pdu)["pdus"]["$x:remote.example"])

    def test_a_room_that_everybody_here_left(self) -> None:
        self.join()
        self.alice.post(f"/rooms/{self.room_id}/leave")
        message = self.event()
        self.assertEqual(self.send(message).status, 200)
        self.assertEqual(self.bodies(), [])

    def test_a_server_that_the_room_denies(self) -> None:
        self.join()
        message = self.event()
        acl = {"allow": ["*"], "deny": [self.remote.server_name]}
        self.alice.put(f"/rooms/{self.room_id}/state/m.room.server_acl", acl)
        self.assertEqual(self.send(message).status, 200)
        self.assertEqual(self.bodies(), [])

    def test_a_branch(self) -> None:
        joined = self.join()
        self.alice.send(self.room_id, "meanwhile")
        late = self.event(after=(joined,))
        self.send(late)
        self.assertEqual(self.bodies(), ["meanwhile", "hello"])
        self.assertEqual(len(self.head().extremities), 2)
        self.alice.send(self.room_id, "together")
        self.assertEqual(len(self.head().extremities), 1)

    def test_who_is_waiting_is_told(self) -> None:
        self.join()
        since = self.alice.get("/sync")["next_batch"]
        poll = self.alice.start_sync(since)
        message = self.event()
        self.send(message)
        assert poll.answer is not None
        (event,) = poll.answer["rooms"]["join"][self.room_id]["timeline"]["events"]
        self.assertEqual((event["event_id"], event["sender"]), (message.event_id, ROB))


class RestartTests(NeighbourTestCase):
    """An event is staged as it is when the server crashes after its answer."""

    def stage(self, event: Event) -> None:
        origin = self.remote.server_name
        staged = StagedEvent(self.room_id, event.event_id, origin, 1, 0, encode_json(event.pdu()))
        self.successResultOf(self.server.db.write(insert_transaction, origin, "crashed", 1, b"{}", [staged]))

    def test_after_a_start(self) -> None:
        self.join()
        self.stage(self.event())
        self.restart()
        self.assertEqual((self.bodies(), self.staged()), (["hello"], 0))

    def test_after_a_minute(self) -> None:
        self.join()
        self.stage(self.event())
        self.assertEqual(self.bodies(), [])
        self.advance(60)
        self.assertEqual((self.bodies(), self.staged()), (["hello"], 0))


class WaitingTests(NeighbourTestCase):
    """Events that build on what nobody tells at the moment."""

    def setUp(self) -> None:
        super().setUp()

        async def nobody_answers(*_: object, **__: object) -> Response:
            raise RequestFailed("nobody answers")

        self.patch(Outbound, "request", nobody_answers)
        joined = self.join()
        self.missed = self.event(after=(joined,), citing=(joined,))
        content = {"body": "late"}
        self.late = self.event(content=content, after=(self.missed,), citing=(joined,))
        self.send(self.late)

    def test_they_are_not_lost(self) -> None:
        self.assertEqual((self.bodies(), self.staged()), ([], 1))
        self.send(self.missed)
        self.advance(61)
        self.assertEqual((self.bodies(), self.staged()), (["hello", "late"], 0))

    def test_others_have_their_turn(self) -> None:
        self.send(self.event(content={"body": "meanwhile"}))
        self.assertEqual((self.bodies(), self.staged()), (["meanwhile"], 1))

    def test_they_wait_over_a_restart(self) -> None:
        self.restart()
        self.send(self.missed)
        self.advance(61)
        self.assertEqual((self.bodies(), self.staged()), (["hello", "late"], 0))

    def test_not_for_ever(self) -> None:
        self.reactor.pump([60.0] * 62)
        self.assertEqual((self.bodies(), self.staged()), ([], 0))
