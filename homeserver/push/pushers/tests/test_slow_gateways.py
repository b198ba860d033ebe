"""Gateways that take their time."""

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred

from homeserver.http.outbound import RequestFailed, Response, TookTooLong
from homeserver.push.pushers.places import AT_ONCE
from homeserver.push.pushers.tests.pushed import URL, PushTestCase

SLOW = URL.replace("gateway.example", "slow.example")
MANY = 130


class SlowGatewayTests(PushTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.held: list[Deferred[None]] = []
        self.is_slow = True
        self.patch(self.gateway, "request", self.request)
        dave = self.register("dave")
        dave.join(self.room_id)
        for number in range(MANY):
            user = (self.alice, dave)[number % 2]
            self.set_pusher(user, pushkey=str(number), append=True, data={"url": SLOW})
        self.set_pusher(self.carol, pushkey="CAROL")

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"", **_: Any
    ) -> Response:
        self.gateway.requests.append((url, headers, body))
        if self.gateway.failure is not None:
            raise self.gateway.failure
        if url == SLOW and self.is_slow:
            self.held.append(Deferred())
            await self.held[-1]
        return Response(200, {}, b"{}")

    def urls(self) -> list[str]:
        return [url for url, _, _ in self.gateway.requests]

    def test_others_do_not_wait_for_it(self) -> None:
        self.say()
        self.assertEqual((self.urls().count(URL), self.urls().count(SLOW)), (2, AT_ONCE))
        self.say()
        self.assertEqual((self.urls().count(URL), self.urls().count(SLOW)), (4, AT_ONCE))

    def test_it_gets_all_in_the_end(self) -> None:
        event = self.say()
        self.gateway.forget()
        self.is_slow = False
        while self.held:
            self.held.pop().callback(None)
        for _ in range(MANY):
            self.advance(0)
        self.assertEqual(self.gateway.events, [event] * (MANY - AT_ONCE))

    def test_what_fails_at_once(self) -> None:
        self.is_slow = False
        self.gateway.failure = RequestFailed("slow.example cannot be reached")
        self.say()
        for _ in range(MANY):
            self.advance(0)
        self.assertEqual(self.urls().count(SLOW), MANY)
        self.gateway.failure = None
        self.gateway.forget()
        event = self.say()
        for _ in range(MANY):
            self.advance(0.1)
        self.assertEqual(self.gateway.events.count(event), MANY + 2)

    def test_what_took_too_long_holds_up_nobody_either(self) -> None:
        self.say()
        while self.held:
            self.held.pop(0).errback(TookTooLong("slow.example took longer than 15 s"))
            self.advance(0)
        self.advance(2)
        self.assertEqual(len(self.held), AT_ONCE)
        self.gateway.forget()
        event = self.say()
        self.assertEqual(self.gateway.events, [event, event])
