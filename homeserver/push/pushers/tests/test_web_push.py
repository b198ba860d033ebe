"""Pushers of browsers, without a gateway (MSC4174)."""

from typing import Any

from homeserver.protocol.json import decode_json
from homeserver.push.pushers.tests.browser import Browser
from homeserver.push.pushers.tests.pushed import PUSHER, PushTestCase
from tests.client import Client, Json
from tests.wire import each

ACK = "/_matrix/client/unstable/org.folkmoot.webpush/pushers/ack"
SET = "/_matrix/client/unstable/org.folkmoot.webpush/pushers/set"


class WebPushTestCase(PushTestCase):
    def setUp(self) -> None:
        self.browser = Browser()
        super().setUp()
        self.gateway.status, self.gateway.body = 201, b""

    def set_pusher(self, user: Client, **changes: Any) -> None:
        """None in the beginning."""

    def subscribe(self, **changes: Any) -> int:
        """The status of the answer."""
        data = {"url": "https://push.example/abc", "auth": self.browser.auth}
        body = {**PUSHER, "kind": "webpush", "pushkey": self.browser.p256dh, "data": data, **changes}
        return self.alice.post(SET, body).status

    def received(self) -> list[Json]:
        return [decode_json(self.browser.decrypt(body)) for _, _, body in self.gateway.requests]

    def activate(self) -> None:
        [told] = self.received()
        self.assertEqual(self.alice.post(ACK, told).json, {})
        self.gateway.forget()


class ActivationTests(WebPushTestCase):
    def test_the_client_sends_back_what_it_was_sent(self) -> None:
        self.assertEqual(self.subscribe(), 201)
        [told] = self.received()
        self.assertEqual(set(told), {"app_id", "ack_token"})
        self.assertEqual(told["app_id"], PUSHER["app_id"])
        [pusher] = self.alice.get("/pushers")["pushers"]
        self.assertIs(pusher["activated"], False)
        self.say()
        self.assertEqual(len(self.gateway.requests), 1)
        self.activate()
        [pusher] = self.alice.get("/pushers")["pushers"]
        self.assertIs(pusher["activated"], True)
        event = self.say()
        self.assertEqual([one["event_id"] for one in self.received()], [event])

    def test_once_is_enough(self) -> None:
        self.subscribe()
        self.activate()
        self.assertEqual(self.subscribe(lang="de"), 200)
        self.assertEqual(self.gateway.requests, [])
        data = {"url": "https://push.example/other", "auth": self.browser.auth}
        self.assertEqual(self.subscribe(data=data), 201)
        self.assertEqual(len(self.gateway.requests), 1)

    def test_wrong_tokens(self) -> None:
        body = {"app_id": PUSHER["app_id"], "ack_token": "x"}
        self.assertEqual(self.alice.post(ACK, body).error, (404, "M_NOT_FOUND"))
        self.subscribe()
        self.assertEqual(self.alice.post(ACK, body).error, (400, "M_UNKNOWN_ACTIVATION_TOKEN"))
        [told] = self.received()
        self.assertEqual(self.bob.post(ACK, told).error, (404, "M_NOT_FOUND"))
        self.advance(301)
        self.assertEqual(self.alice.post(ACK, told).error, (400, "M_EXPIRED_ACTIVATION_TOKEN"))
        self.assertEqual(self.anonymous.post(ACK, told).error, (401, "M_MISSING_TOKEN"))
        self.gateway.forget()
        self.assertEqual(self.subscribe(), 201)
        self.activate()

    def test_who_never_answers(self) -> None:
        self.subscribe()
        for _ in range(26):
            self.advance(3600)
        self.assertEqual(self.count("pusher"), 0)

    def test_a_subscription_that_is_none(self) -> None:
        self.gateway.status = 410
        self.assertEqual(self.subscribe(), 201)
        self.assertEqual(self.count("pusher"), 0)

    def test_bad_requests(self) -> None:
        good = {"url": "https://push.example/abc", "auth": self.browser.auth}
        cases: list[tuple[Json, str]] = [
            ({"data": {"url": good["url"]}}, "M_MISSING_PARAM"),
            ({"data": {"auth": good["auth"]}}, "M_MISSING_PARAM"),
            ({"data": good | {"url": "http://push.example/abc"}}, "M_INVALID_PARAM"),
            ({"data": good | {"url": 1}}, "M_INVALID_PARAM"),
            ({"data": good | {"auth": "short"}}, "M_INVALID_PARAM"),
            ({"data": good | {"auth": None}}, "M_INVALID_PARAM"),
            ({"data": good | {"auth": "ä"}}, "M_INVALID_PARAM"),
            ({"data": good, "pushkey": "nonsense"}, "M_INVALID_PARAM"),
        ]

        def check(case: tuple[Json, str]) -> None:
            body = {**PUSHER, "kind": "webpush", "pushkey": self.browser.p256dh, **case[0]}
            self.assertEqual(self.alice.post(SET, body).error, (400, case[1]))

        each(check, cases)


class NotificationTests(WebPushTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.subscribe()
        self.activate()

    def test_what_push_services_see(self) -> None:
        self.mention(self.alice)
        self.say()
        [(url, urgent, _), (_, plain, _)] = self.gateway.requests
        self.assertEqual(url, "https://push.example/abc")
        self.assertEqual((urgent["Urgency"], plain["Urgency"]), ("high", "normal"))
        self.assertEqual((urgent["TTL"], urgent["Content-Encoding"]), ("86400", "aes128gcm"))
        self.assertEqual((len(urgent["Topic"]), urgent["Topic"]), (32, plain["Topic"]))
        vapid = self.alice.get("/capabilities")["capabilities"]["org.folkmoot.webpush"]
        self.assertIs(vapid["enabled"], True)
        self.assertTrue(urgent["Authorization"].endswith(f"k={vapid['vapid']}"))

    def test_what_the_browser_sees(self) -> None:
        event = self.say()
        [told] = self.received()
        self.assertEqual((told["event_id"], told["content"]["body"]), (event, "hello"))
        self.assertEqual(told["counts"], {"unread": 1})
        self.assertEqual(told["devices"][0]["data"], {})

    def test_long_messages_are_left_out(self) -> None:
        event = self.say(body="x" * 5000)
        [told] = self.received()
        self.assertEqual(told["event_id"], event)
        self.assertNotIn("content", told)

    def test_counts_alone_are_not_told(self) -> None:
        event = self.say()
        self.gateway.forget()
        self.read(self.alice, event)
        self.advance(5)
        self.assertEqual(self.gateway.requests, [])

    def test_subscriptions_end(self) -> None:
        for status in (403, 404, 410):
            self.gateway.status = status
            self.say()
            self.assertEqual(self.pushers(self.alice), [])
            self.gateway.status = 201
            self.gateway.forget()
            self.subscribe()
            self.activate()

    def test_the_service_says_when(self) -> None:
        self.gateway.status, self.gateway.headers = 429, {"retry-after": "120"}
        self.say()
        self.gateway.forget()
        self.gateway.status = 201
        self.advance(119)
        self.assertEqual(self.gateway.requests, [])
        self.advance(2)
        self.assertEqual(len(self.gateway.requests), 1)

    def test_the_key_stays(self) -> None:
        def key() -> Json:
            return self.alice.get("/capabilities")["capabilities"]["org.folkmoot.webpush"]["vapid"]

        before = key()
        self.restart()
        self.assertEqual(key(), before)
