"""Bodies that are no JSON, not quite JSON, too much of it, or that come too slowly."""

import json
from dataclasses import replace
from typing import Any

from twisted.internet.testing import StringTransportWithDisconnection

from homeserver.protocol.errors import BadJson, TooLarge
from homeserver.protocol.event_format import MAX_EVENT_BYTES
from tests.client import Answer
from tests.federation.hostile.liar import LiarTestCase
from tests.wire import Exchange, each

_MIB = 1024 * 1024


class RawTests(LiarTestCase):
    """Signed as if it were whole, and sent as it is."""

    def put(self, body: bytes) -> Answer:
        self.transactions += 1
        return self.remote.request("PUT", f"/_matrix/federation/v1/send/{self.transactions}", body)

    def test_no_transaction(self) -> None:
        def check(body: bytes) -> None:
            answer = self.put(body)
            self.assertIn(answer.status, (400, 401, 413))
            self.assertTrue(answer.json["errcode"].startswith("M_"))
            self.goes_on()

        def within(value: bytes) -> bytes:
            return b'{"origin":"remote.example","origin_server_ts":1,"pdus":[' + value + b"]}"

        each(
            check,
            [
                b"",
                b"{",
                b"[]",
                b"null",
                b"\x00",
                b'{"pdus":[]',
                b'{"pdus":{}}',
                b'{"pdus":[1]}',
                b'{"pdus":[[]]}',
                b'{"pdus":[],"edus":[1]}',
                within(b"NaN"),
                within(b'{"x":NaN}'),
                within(b'{"x":Infinity}'),
                within(b'{"x":-Infinity}'),
                within(b'{"x":1e999}'),
                within(b'{"x":01}'),
                within(b'{"x":"\xff"}'),
                within(b'{"x":"\xc0\xaf"}'),
                within(b'{"x":"\xed\xa0\x80"}'),
                within(b'{"x":"\\ud800"}'),
                within(b'{"x":"\\x"}'),
                within(b'{"x":"\n"}'),
                within(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
                within(b'{"x":' * 100_000 + b"1" + b"}" * 100_000),
                b"\xef\xbb\xbf" + within(b""),
                within(b"").decode().encode("utf-16"),
                within(b'{"x":"' + b"x" * 17 * _MIB + b'"}'),
            ],
        )

    def test_a_key_that_is_there_twice(self) -> None:
        """Whoever reads it otherwise would see another event; here it is the one that was checked."""
        said = self.said("first")
        body = json.dumps({"pdus": [said.pdu()]}).replace('"body": "first"', '"body": "x", "body": "first"')
        self.assertIn(self.put(body.encode()).status, (200, 401))
        self.assertIn(self.bodies(), ([], ["first"]))
        self.goes_on()

    def test_a_length_that_is_none(self) -> None:
        for length in ("-1", "x", "1e3", "0x10", "1, 2"):
            request = self.remote.compose("PUT", "/_matrix/federation/v1/send/1", {"pdus": []})
            exchange = Exchange(
                self.site, replace(request, headers={**request.headers, "Content-Length": length})
            )
            assert exchange.answer is not None
            self.assertEqual(exchange.answer.status, 400)
        self.goes_on()

    def test_a_length_of_which_nothing_comes(self) -> None:
        request = self.remote.compose("PUT", "/_matrix/federation/v1/send/1", {"pdus": []})
        exchange = Exchange(
            self.site, replace(request, headers={**request.headers, "Content-Length": "9" * 30})
        )
        self.advance(120)
        self.assertIsNone(exchange.answer)
        self.goes_on()


class PduTests(LiarTestCase):
    """Events that are not what an event has to be, in transactions that are."""

    def broken(self, **changes: Any) -> dict[str, Any]:
        pdu = {**self.said("broken").pdu(), **changes}
        return {key: value for key, value in pdu.items() if value is not ...}

    def test_wrong_types_everywhere(self) -> None:
        odd: list[Any] = [..., None, 1, -1, 1.5, True, "", "x", "\0", "x" * 300, 2**63]
        odd += [[], [[]], [{}], {}, {"x": {}}, -(2**63)]
        for key in self.said("whole").pdu():
            for value in odd:
                # Some are just other events, with hashes of others: redacted, with nothing in them.
                answer = self.send(self.broken(**{key: value}))
                self.assertTrue(answer.status == 200 or answer.error == (400, "M_BAD_JSON"), (key, value))
        self.assertEqual([body for body in self.texts() if body == "broken"], [])
        self.goes_on()

    def texts(self) -> list[str]:
        chunk = self.alice.messages(self.room_id, limit=1000)["chunk"]
        return [event["content"].get("body", "") for event in chunk if event["type"] == "m.room.message"]

    def test_numbers_that_are_not_canonical(self) -> None:
        for number in (1.5, 1e300, 2**53, -(2**53), 2**70):
            self.send(self.broken(content={"msgtype": "m.text", "body": "broken", "number": number}))
        self.assertNotIn("broken", self.texts())
        self.goes_on()

    def test_content_within_content(self) -> None:
        for depth in (10, 100, 500, 900, 5_000):
            deep: Any = {}
            for _ in range(depth):
                deep = {"x": deep}
            try:
                told = self.event(content={"msgtype": "m.text", "body": f"{depth}", "deep": deep}).pdu()
            except (BadJson, RecursionError):
                continue
            self.assertEqual(self.send(told).status, 200)
            self.alice.sync()
            self.texts()
        self.goes_on()

    def test_too_large(self) -> None:
        with self.assertRaises(TooLarge):
            self.said("x" * MAX_EVENT_BYTES)
        self.send(self.broken(content={"body": "x" * MAX_EVENT_BYTES}))
        self.send(self.broken(unsigned={"x": "x" * 10 * MAX_EVENT_BYTES}))
        self.assertEqual([text for text in self.texts() if text.startswith("x")], [])
        self.goes_on()

    def test_unsigned_is_not_believed(self) -> None:
        told = self.said("told").pdu() | {
            "unsigned": {"redacted_because": {}, "m.relations": {"x": 1}, "age": 2**60}
        }
        self.send(told)
        (event,) = [
            one for one in self.alice.messages(self.room_id)["chunk"] if one["type"] == "m.room.message"
        ]
        self.assertEqual(event["content"]["body"], "told")
        self.assertNotIn("redacted_because", event["unsigned"])
        self.assertNotIn("m.relations", event["unsigned"])


class SlowTests(LiarTestCase):
    """A connection on which a byte comes each second is closed, whatever was promised."""

    HEAD = b"PUT /_matrix/federation/v1/send/1 HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n"

    def seconds_open(self, at_once: bytes, then: bytes, piece: int = 1) -> int:
        """How long, of `then` `piece` bytes each second."""
        transport = StringTransportWithDisconnection()
        channel = self.site.connect(transport)
        channel.dataReceived(at_once)
        for second in range(len(then) // piece):
            if not transport.connected:
                return second
            channel.dataReceived(then[second * piece : (second + 1) * piece])
            self.advance(1)
        return len(then) // piece

    def test_heads(self) -> None:
        head = b"GET / HTTP/1.1\r\nX: " + b"x" * 1000
        self.assertLess(self.seconds_open(b"", head), 200)
        self.goes_on()

    def test_bodies(self) -> None:
        self.assertLess(self.seconds_open(self.HEAD, b" " * 1000), 200)
        self.goes_on()

    def test_bodies_that_come_on(self) -> None:
        """As on a bad line; such a one is taken."""
        self.assertEqual(self.seconds_open(self.HEAD, b" " * 500_000, 1000), 500)
