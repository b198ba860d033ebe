"""The whole server as a process, with a gateway and a mail server that are really asked."""

import json
import queue
import re
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any
from unittest import TestCase
from urllib.parse import urlsplit

from tests.client import Answer, Client, Json, Request
from tests.processes import ServerProcess

_SECONDS = 30


class RealClient(Client):
    """On a connection of its own for each request."""

    def __init__(self, port: int, **session: str) -> None:
        super().__init__(**session)
        self._port = port

    def answer_to(self, request: Request) -> Answer:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_SECONDS)
        try:
            connection.request(request.method, request.target, request.body, dict(request.headers))
            response = connection.getresponse()
            return Answer(response.status, {}, response.read())
        finally:
            connection.close()

    def register(self, name: str) -> "RealClient":
        auth = {"type": "m.login.dummy"}
        answer = self.post("/register", {"username": name, "password": "correct horse", "auth": auth})
        return RealClient(self._port, user_id=answer["user_id"], access_token=answer["access_token"])


class Gateway:
    """`behaviours` are what is done with the requests that come, one after the other; later ones are taken."""

    def __init__(self) -> None:
        self.received: queue.Queue[Json] = queue.Queue()
        self.behaviours: list[Callable[[BaseHTTPRequestHandler], None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.received.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                (outer.behaviours.pop(0) if outer.behaviours else _take)(self)

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/_matrix/push/v1/notify"

    def next(self) -> Json:
        return self.received.get(timeout=_SECONDS)["notification"]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def _take(handler: BaseHTTPRequestHandler) -> None:
    _answer(handler, 200, b'{"rejected": []}')


def _fail(handler: BaseHTTPRequestHandler) -> None:
    _answer(handler, 500, b"{}")


def _redirect(handler: BaseHTTPRequestHandler) -> None:
    _answer(handler, 302, b"", Location="/_matrix/push/v1/notify")


def _babble(handler: BaseHTTPRequestHandler) -> None:
    _answer(handler, 200, b"\xff" * 100_000)


def _hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


class MailServer:
    """Just enough SMTP (https://www.rfc-editor.org/rfc/rfc5321) to be given e-mails."""

    def __init__(self) -> None:
        self.received: queue.Queue[bytes] = queue.Queue()
        outer = self

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 ready\r\n")
                for line in self.rfile:
                    verb = line[:4].upper()
                    if verb == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        outer.received.put(b"".join(iter(self.rfile.readline, b".\r\n")))
                    self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")

        self._server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.port = int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class RealOthersTests(TestCase):
    def setUp(self) -> None:
        self.gateway, self.mail = Gateway(), MailServer()
        self.addCleanup(self.gateway.close)
        self.addCleanup(self.mail.close)
        settings = {
            "enable_registration": True,
            "enable_registration_without_verification": True,
            "email": {
                "smtp_host": "127.0.0.1",
                "smtp_port": self.mail.port,
                "enable_tls": False,
                "notif_from": "The Server <noreply@localhost>",
                "enable_notifs": True,
                "notif_delay_before_mail": "1s",
            },
        }
        self.server = self.enterContext(ServerProcess(settings))
        anyone = RealClient(self.server.port)
        self.alice, self.bob = anyone.register("alice"), anyone.register("bob")
        room = {"preset": "public_chat", "name": "Mission Control", "room_alias_name": "exampleroom"}
        self.room_id: str = self.bob.post("/createRoom", room)["room_id"]
        self.alice.post(f"/join/{self.room_id}")
        self.set_pusher()

    def set_pusher(self) -> None:
        pusher = {
            "kind": "http",
            "app_id": "org.matrix.matrixConsole.ios",
            "pushkey": "V2h5IG9uIGVhcnRoIGRpZCB5b3UgZGVjb2RlIHRoaXM/",
            "app_display_name": "Mat Rix",
            "device_display_name": "iPhone 9",
            "lang": "en",
            "data": {"url": self.gateway.url},
        }
        self.assertEqual(self.alice.post("/pushers/set", pusher).json, {})

    def say(self, text: str) -> str:
        content = {"msgtype": "m.text", "body": text, "m.mentions": {"user_ids": [self.alice.user_id]}}
        path = f"/rooms/{self.room_id}/send/m.room.message/{len(text)}"
        event_id: str = self.bob.put(path, content)["event_id"]
        return event_id

    def test_the_example_of_the_specification(self) -> None:
        """https://spec.matrix.org/v1.19/push-gateway-api/#post_matrixpushv1notify"""
        event_id = self.say("I'm floating in a most peculiar way.")
        told = self.gateway.next()
        self.assertLess(abs(told["devices"][0].pop("pushkey_ts") - time.time()), 60)
        self.assertEqual(
            told,
            {
                "event_id": event_id,
                "room_id": self.room_id,
                "type": "m.room.message",
                "sender": "@bob:localhost",
                "sender_display_name": "bob",
                "room_name": "Mission Control",
                "room_alias": "#exampleroom:localhost",
                "prio": "high",
                "content": {
                    "msgtype": "m.text",
                    "body": "I'm floating in a most peculiar way.",
                    "m.mentions": {"user_ids": ["@alice:localhost"]},
                },
                "counts": {"unread": 1},
                "devices": [
                    {
                        "app_id": "org.matrix.matrixConsole.ios",
                        "pushkey": "V2h5IG9uIGVhcnRoIGRpZCB5b3UgZGVjb2RlIHRoaXM/",
                        "data": {},
                        "tweaks": {"sound": "default", "highlight": True},
                    }
                ],
            },
        )

    def test_gateways_that_do_not_behave(self) -> None:
        for number, behaviour in enumerate((_fail, _redirect, _babble, _hang_up)):
            self.gateway.behaviours = [behaviour]
            event_id = self.say("x" * (number + 1))
            self.assertEqual([self.gateway.next()["event_id"] for _ in range(2)], [event_id] * 2, behaviour)

    def test_killed_while_the_gateway_is_down(self) -> None:
        self.gateway.behaviours = [_fail] * 3
        event_id = self.say("hello")
        for _ in range(3):
            self.assertEqual(self.gateway.next()["event_id"], event_id)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.gateway.next()["event_id"], event_id)

    def test_a_mail_server_is_given_mails(self) -> None:
        address = "alice@example.org"
        secret = {"client_secret": "abc", "sid": self._confirmed(address)}
        identifier = {"type": "m.id.user", "user": "alice"}
        auth = {"type": "m.login.password", "identifier": identifier, "password": "correct horse"}
        self.assertEqual(self.alice.post("/account/3pid/add", {**secret, "auth": auth}).json, {})
        names = {"app_display_name": "Mail", "device_display_name": address, "lang": "en", "data": {}}
        mailbox = {"kind": "email", "app_id": "m.email", "pushkey": address, **names}
        self.assertEqual(self.alice.post("/pushers/set", mailbox).json, {})
        self.say("Ground control to Major Tom")
        message = self._next_mail()
        self.assertEqual((message["To"], message["From"]), (address, "The Server <noreply@localhost>"))
        self.assertEqual(message["Subject"], "[Matrix] bob wrote in Mission Control")
        self.assertIn("Ground control to Major Tom", self._text(message))

    def _confirmed(self, address: str) -> str:
        """The session in which the link was opened that came by e-mail."""
        wish = {"client_secret": "abc", "email": address, "send_attempt": 1}
        sid: str = self.alice.post("/account/3pid/email/requestToken", wish)["sid"]
        found = re.search(r"http://\S+", self._text(self._next_mail()))
        assert found is not None, "the e-mail has a link"
        parts = urlsplit(found[0])
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = RealClient(self.server.port).request("POST", parts.path, parts.query.encode(), headers=form)
        self.assertEqual(answer.status, 200)
        return sid

    def _next_mail(self) -> EmailMessage:
        return message_from_bytes(self.mail.received.get(timeout=_SECONDS), policy=policy.default)

    def _text(self, message: EmailMessage) -> str:
        part = message.get_body(("plain",))
        assert part is not None, "every e-mail has plain text"
        return str(part.get_content())
