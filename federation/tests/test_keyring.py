"""Keys of other servers: where they come from, how long they count, and whom they convince."""

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as FakeReactor
from twisted.trial.unittest import SynchronousTestCase

from config.federation import KeyServer
from federation.key_answers import ServerKey
from federation.key_fetching import KeyFetcher
from federation.keyring import Keyring, KeyUnknown
from federation.tests.peers import DAY_MS, NOW_MS, Peers, identity
from federation.transport import Transport
from homeserver.protocol.event import Event
from homeserver.protocol.event_signatures import sign_event
from homeserver.protocol.events import Proposal, build_event, read_pdu
from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.room_versions import ROOM_VERSIONS
from homeserver.protocol.signing import EventSigner, SignatureInvalid, sign_json
from homeserver.protocol.unpadded_base64 import encode_base64
from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.runtime.threads import InlineThreads
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from tests.databases import fresh_engine
from tests.stoppable_threads import StoppableThreads

T = TypeVar("T")
A, B, NOTARY, OWN = (identity(name) for name in ("a.example", "b.example", "notary.example", "own.example"))
OLD = identity("a.example", "old")
KEY = "ed25519:1"


def event_of(signer: EventSigner, version: str = "10", ts: int = NOW_MS, **changes: Any) -> Event:
    proposal = Proposal(
        version=ROOM_VERSIONS[version],
        room_id=RoomID("!room:a.example"),
        type="m.room.message",
        sender=UserID(f"@user:{signer.server_name}"),
        content={"body": "hi"},
        origin_server_ts=ts,
        depth=1,
        prev_events=(),
        auth_events=(),
        **changes,
    )
    return build_event(proposal, signer)


def count_rows(txn: Transaction) -> int:
    row = txn.row("SELECT count(*) FROM federation_key")
    assert row is not None
    return int(row[0])


class KeyringTestCase(SynchronousTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database
    notaries: Sequence[KeyServer] = ()

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.reactor.advance(NOW_MS / 1000)
        self.threads = StoppableThreads()
        self.db = Database(fresh_engine(), lambda name, size: self.threads)
        self.addCleanup(lambda: self.result_of(self.db.close()))
        self.peers = Peers()
        self.clock = Clock(cast(ReactorTime, self.reactor))
        self.fetcher = KeyFetcher(cast(Transport, self.peers), self.notaries, self.clock)
        self.keyring = self.restarted()

    def restarted(self) -> Keyring:
        own = (OWN.server_name, [ServerKey(KEY, OWN.key.public_key, 2**62)])
        return Keyring(own, self.fetcher, self.db, InlineThreads(), self.clock, 100_000)

    def result_of(self, work: Coroutine[Any, Any, T]) -> T:
        return self.successResultOf(Deferred.fromCoroutine(work))

    def check(self, *events: Event) -> list[str | None]:
        pdus = [read_pdu(event.pdu(), event.version) for event in events]
        found = self.result_of(self.keyring.verify_events(pdus))
        return [None if problem is None else str(problem) for problem in found]

    def request(self, signer: EventSigner, **changes: Any) -> Coroutine[Any, Any, None]:
        signed = sign_json({"uri": "/"}, signer.server_name, signer.key)
        return self.keyring.verify_request(signer.server_name, {**signed, **changes}, signer.key.key_id)

    def refused(self, request: Coroutine[Any, Any, None], kind: type[Exception] = SignatureInvalid) -> str:
        problem = self.failureResultOf(Deferred.fromCoroutine(request)).value
        self.assertIs(type(problem), kind)
        return str(problem)


class RequestTests(KeyringTestCase):
    def test_a_signed_request(self) -> None:
        self.peers.publish(A)
        self.result_of(self.request(A))

    def test_a_forged_request(self) -> None:
        self.peers.publish(A)
        self.refused(self.request(A, uri="/other"))

    def test_a_server_that_is_down(self) -> None:
        self.refused(self.request(A), KeyUnknown)

    def test_it_is_asked_once(self) -> None:
        self.peers.publish(A)
        for _ in range(3):
            self.result_of(self.request(A))
        self.keyring = self.restarted()
        self.result_of(self.request(A))
        self.assertEqual(self.peers.asked, {"a.example": 1})

    def test_many_requests_at_once(self) -> None:
        self.peers.publish(A)
        self.peers.slow = Deferred()
        requests = [Deferred.fromCoroutine(self.request(A)) for _ in range(3)]
        self.peers.slow.callback(None)
        for request in requests:
            self.successResultOf(request)
        self.assertEqual(self.peers.asked, {"a.example": 1})

    def test_unknown_keys_are_asked_for_now_and_then(self) -> None:
        for _ in range(3):
            self.refused(self.request(A), KeyUnknown)
        self.assertEqual(self.peers.asked, {"a.example": 1})
        self.peers.publish(A)
        self.reactor.advance(30)
        self.result_of(self.request(A))

    def test_a_key_is_renewed_when_its_time_is_over(self) -> None:
        self.peers.publish(A)
        self.result_of(self.request(A))
        self.reactor.advance(DAY_MS / 1000 + 1)
        self.refused(self.request(A))
        self.peers.publish(A, NOW_MS + 3 * DAY_MS)
        self.reactor.advance(30)
        self.result_of(self.request(A))

    def test_who_sends_something_is_alive(self) -> None:
        """And is asked for keys, even if it could not be reached a moment ago."""
        self.peers.publish(A)
        self.result_of(self.request(A))
        self.assertEqual([call.only_if_alive for _, call in self.peers.calls], [False])

    def test_old_keys_sign_no_requests(self) -> None:
        old = {OLD.key.key_id: {"key": encode_base64(OLD.key.public_key), "expired_ts": NOW_MS + DAY_MS}}
        self.peers.publish(A, old_verify_keys=old)
        self.refused(self.request(OLD))

    def test_keys_of_somebody_else(self) -> None:
        self.peers.published["a.example"] = self.peers.answer_of(B, NOW_MS + DAY_MS)
        self.refused(self.request(A), KeyUnknown)
        self.assertEqual(self.result_of(self.counted()), 0)

    async def counted(self) -> int:
        return await self.db.read(count_rows)

    def test_keys_are_forgotten_after_a_year(self) -> None:
        self.peers.publish(A)
        self.result_of(self.request(A))
        for days, left in ((360, 1), (10, 0)):
            self.reactor.advance(days * DAY_MS / 1000)
            self.result_of(self.keyring.forget_old())
            self.assertEqual(self.result_of(self.counted()), left)


class EventTests(KeyringTestCase):
    def test_signed_events(self) -> None:
        self.peers.publish(A)
        self.peers.publish(B)
        events = [event_of(signer, version) for signer in (A, B, OWN) for version in ("3", "6", "11")] * 30
        self.assertEqual(set(self.check(*events)), {None})
        self.assertEqual(self.peers.asked, {"a.example": 1, "b.example": 1})

    def test_each_is_judged_for_itself(self) -> None:
        self.peers.publish(A)
        good, forged, unknown = event_of(A), event_of(A, ts=NOW_MS - 5), event_of(B)
        forged.signatures["a.example"] = good.signatures["a.example"]
        self.assertEqual(
            self.check(good, forged, unknown),
            [None, "The signature is wrong", "The key ed25519:1 of b.example cannot be found"],
        )

    def test_events_without_signature(self) -> None:
        event = event_of(A)
        several: Sequence[JsonObject] = (
            {},
            {"a.example": {}},
            {"a.example": {"rsa:1": "x"}},
            {"b.example": {KEY: "x"}},
        )
        for signatures in several:
            event.signatures.clear()
            event.signatures.update(signatures)
            self.assertEqual(self.check(event), ["There is no signature of a.example"])

    def test_one_of_several_signatures_is_enough(self) -> None:
        self.peers.publish(A)
        event = event_of(A)
        event.signatures["a.example"] = {"ed25519:gone": "x", **event.signatures["a.example"]}
        self.assertEqual(self.check(event), [None])

    def test_keys_count_for_their_time(self) -> None:
        """In room versions from 5 on."""
        self.peers.publish(A)
        late = NOW_MS + 2 * DAY_MS
        problem = "The key ed25519:1 of a.example was not valid at the event's time"
        self.assertEqual(self.check(event_of(A, "5", late), event_of(A, "4", late)), [problem, None])

    def test_old_keys_count_for_old_events(self) -> None:
        old = {OLD.key.key_id: {"key": encode_base64(OLD.key.public_key), "expired_ts": NOW_MS - 5}}
        self.peers.publish(A, old_verify_keys=old)
        problem = "The key ed25519:old of a.example was not valid at the event's time"
        events = [event_of(OLD, "5", NOW_MS - 5), event_of(OLD, "5", NOW_MS - 4), event_of(OLD, "4")]
        self.assertEqual(self.check(*events), [None, problem, None])
        self.reactor.advance(60)
        self.check(events[1])
        self.assertEqual(self.peers.asked, {"a.example": 1}, "a key that expired stays so")

    def test_everybody_who_must_has_signed(self) -> None:
        """In room versions 1 and 2 the server in the event's ID, too."""
        self.peers.publish(A)
        self.peers.publish(B)
        event = event_of(A, "1", event_id=EventID("$1:b.example"))
        self.assertEqual(self.check(event), ["There is no signature of b.example"])
        self.assertEqual(self.check(sign_event(event, B)), [None])


class NotaryTests(KeyringTestCase):
    notaries = (
        KeyServer(server_name="down.example"),
        KeyServer(server_name="notary.example", verify_keys={KEY: NOTARY.key.public_key}),
    )

    def told(self, *answers: JsonObject, by: EventSigner = NOTARY) -> None:
        self.peers.notary(by, *answers)
        self.peers.answers["notary.example", "/_matrix/key/v2/query"] = self.peers.answers[
            by.server_name, "/_matrix/key/v2/query"
        ]

    def test_a_server_that_is_gone(self) -> None:
        self.told(self.peers.answer_of(A, NOW_MS + DAY_MS))
        self.assertEqual(self.check(event_of(A)), [None])

    def test_who_answers_is_not_asked_about(self) -> None:
        self.peers.publish(A)
        self.check(event_of(A))
        self.assertEqual(self.peers.asked, {"a.example": 1})

    def test_notaries_come_first_for_a_crowd(self) -> None:
        crowd = [identity(f"{number}.example") for number in range(10)]
        self.told(*(self.peers.answer_of(signer, NOW_MS + DAY_MS) for signer in crowd[1:]))
        self.peers.publish(crowd[0])
        self.assertEqual(self.check(*map(event_of, crowd)), [None] * 10)
        self.assertEqual(self.peers.asked, {"down.example": 1, "notary.example": 1, "0.example": 1})

    def test_whom_a_notary_cannot_speak_for(self) -> None:
        good = self.peers.answer_of(A, NOW_MS + DAY_MS)
        self.told({**good, "valid_until_ts": 5})
        self.assertNotEqual(self.check(event_of(A)), [None])
        self.reactor.advance(60)
        self.told(good, by=B)
        self.assertNotEqual(self.check(event_of(A)), [None])
        useless_answers: Sequence[JsonValue] = ([], {}, {"server_keys": 5}, {"server_keys": [5]})
        for useless in useless_answers:
            self.reactor.advance(60)
            self.peers.says("notary.example", "/_matrix/key/v2/query", useless)
            self.assertNotEqual(self.check(event_of(A)), [None])

    def test_an_older_answer_changes_nothing(self) -> None:
        self.peers.publish(A, NOW_MS + DAY_MS)
        self.check(event_of(A))
        self.peers.published.clear()
        self.told(self.peers.answer_of(A, NOW_MS - DAY_MS))
        self.reactor.advance(60)
        self.check(event_of(A, ts=NOW_MS + 5 * DAY_MS))
        self.assertEqual(self.check(event_of(A)), [None])
