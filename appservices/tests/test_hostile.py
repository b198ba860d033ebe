"""Services that fail, or wish us ill: they harm nobody, and their operator can see it."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import REGISTRY
from twisted.internet.defer import Deferred

from appservices.store.outbox import ServiceState, state_of
from appservices.tests.serving import ListeningTestCase
from appservices.tests.test_transactions import bodies
from homeserver.http.outbound import RequestFailed, Response, TookTooLong
from tests.wire import each

_OTHER = "http://hostile.example"


class HostileTests(ListeningTestCase):
    """Two services are in the room; what one of them does, the other need not know."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(self.listener, "request", self.request(self.listener.request))
        self.answer: Any = Response(200, {}, b"{}")
        self.add_service(
            self.file.with_name("hostile.yaml"),
            id="hostile",
            url=_OTHER,
            as_token="hostile_as",
            sender_localpart="hostile",
            namespaces={"users": [{"regex": "@alice"}]},
        )
        self.alice = self.register("alice")
        self.room_id = self.alice.create_room(members=[self.ghost("bob")])
        self.listener.transactions.clear()

    def request(self, others: Any) -> Any:
        async def request(method: str, url: str, *, headers: Mapping[str, str], **options: Any) -> Response:
            if not url.startswith(_OTHER):
                told: Response = await others(method, url, headers=headers, **options)
                return told
            if isinstance(self.answer, Exception):
                raise self.answer
            answer: Response = await self.answer if isinstance(self.answer, Deferred) else self.answer
            return answer

        return request

    def state(self) -> ServiceState:
        """What `folkmoot appservice list` tells."""
        return self.successResultOf(self.server.db.read(state_of, "hostile"))

    def metrics(self) -> tuple[float | None, ...]:
        """How many services are behind, and how many fail."""
        return tuple(
            REGISTRY.get_sample_value(f"folkmoot_appservices_{what}") for what in ("behind", "failing")
        )

    def test_whatever_it_does(self) -> None:
        def check(answer: Any) -> None:
            self.answer = answer
            self.listener.transactions.clear()
            self.alice.send(self.room_id, "hello")
            self.assertEqual(bodies(self.listener.events), ["hello"])
            self.reactor.pump([1] * 5)
            self.assertGreater(self.state().waiting, 0)
            self.assertIsNotNone(self.state().failing_since)
            self.assertEqual(self.metrics(), (1, 1))
            self.answer = Response(200, {}, b"")
            self.reactor.pump([1] * 120)
            self.assertEqual(self.state(), ServiceState(0, None))
            self.assertEqual(self.metrics(), (0, 0))

        garbage = b"\x00\xff" * 1000
        each(
            check,
            [
                Response(500, {}, garbage),
                Response(404, {}, garbage),
                Response(405, {}, b'{"errcode": 7}'),
                Response(302, {"location": "http://bridge.example"}, b""),
                Response(299, {}, b"[]"),
                RequestFailed("garbage instead of HTTP"),
                TookTooLong("too slow"),
            ],
        )

    def test_what_else_it_says_is_not_looked_at(self) -> None:
        self.answer = Response(200, {}, b"\x00\xff no JSON")
        self.alice.send(self.room_id, "hello")
        self.assertEqual(self.state(), ServiceState(0, None))

    def test_never_answering(self) -> None:
        self.answer = Deferred()
        for number in range(3):
            self.alice.send(self.room_id, str(number))
        self.assertEqual(bodies(self.listener.events), list("012"))
        self.assertEqual(self.state().waiting, 3)
        # Nor does it keep the server from stopping.
        self.answer = Response(200, {}, b"{}")
        self.restart()
        self.reactor.pump([1] * 5)
        self.assertEqual(self.state().waiting, 0)
