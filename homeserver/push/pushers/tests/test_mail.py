"""E-mails about what users have not read."""

from collections.abc import Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from homeserver.accounts import newcomers
from homeserver.accounts.address import Address
from homeserver.accounts.store.addresses import delete_address, insert_address
from homeserver.email.smtp import SmtpSender
from homeserver.push.notifications import Notifications
from homeserver.push.pushers.tests.pushed import PushTestCase
from homeserver.storage.engine import Transaction
from tests.client import Client, Json
from tests.wire import WireTestCase, each

ADDRESS = "alice@example.org"
MAILBOX: Json = {
    "kind": "email",
    "app_id": "m.email",
    "pushkey": ADDRESS,
    "app_display_name": "Email Notifications",
    "device_display_name": ADDRESS,
    "lang": "en",
    "data": {},
}
DELAY = 600
SETTINGS = ["email.notif_from=The %(app)s <noreply@test>", "email.enable_notifs=true"]


class CaughtMail:
    """Stands for the mail server."""

    def __init__(self, case: WireTestCase) -> None:
        self.messages: list[EmailMessage] = []
        self.is_down = False

        async def send(_: SmtpSender, sender: str, recipient: str, message: bytes) -> None:
            if self.is_down:
                raise ConnectionError("no mail server")
            self.messages.append(message_from_bytes(message, policy=policy.default))

        case.patch(SmtpSender, "send", send)

    @property
    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.messages]

    def text(self, kind: str = "plain") -> str:
        """Of the newest."""
        part = self.messages[-1].get_body((kind,))
        assert part is not None, "both kinds are there"
        return str(part.get_content())

    def link(self) -> str:
        """That ends these e-mails."""
        return str(self.messages[-1]["List-Unsubscribe"])[1:-1]


class MailTestCase(PushTestCase):
    settings: ClassVar[Sequence[str]] = SETTINGS
    pusher = MAILBOX

    def setUp(self) -> None:
        self.mail = CaughtMail(self)
        super().setUp()

    def set_pusher(self, user: Client, **changes: Json) -> None:
        self.give_address(user)
        super().set_pusher(user, **changes)

    def give_address(self, user: Client, address: str = ADDRESS) -> None:
        self.successResultOf(self.server.db.write(_give, user.user_id, address))

    def wait(self, seconds: float) -> None:
        """As a clock would go, not in one leap."""
        for _ in range(int(seconds // 60)):
            self.advance(60)


def _give(txn: Transaction, user_id: str, address: str) -> None:
    row = txn.row("SELECT nid FROM known_user WHERE user_id = %(user_id)s", user_id=user_id)
    assert row is not None, "the user is registered"
    _give_nid(txn, row[0], address)


def _give_nid(txn: Transaction, user_nid: int, address: str) -> None:
    assert insert_address(txn, user_nid, Address("email", address), 1, 1), "nobody else has the address"


def _take(txn: Transaction, user_id: str, address: str) -> None:
    row = txn.row("SELECT nid FROM known_user WHERE user_id = %(user_id)s", user_id=user_id)
    assert row is not None, "the user is registered"
    delete_address(txn, row[0], Address("email", address))


class WhoTests(MailTestCase):
    def test_only_own_addresses(self) -> None:
        answer = self.bob.post("/pushers/set", MAILBOX)
        self.assertEqual(answer.error, (400, "M_THREEPID_NOT_FOUND"))
        answer = self.alice.post("/pushers/set", MAILBOX | {"app_id": "other"})
        self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.pushers(self.alice), [ADDRESS])

    def test_the_address_is_given_up(self) -> None:
        self.say()
        self.successResultOf(self.server.db.write(_take, self.alice.user_id, ADDRESS))
        self.wait(DELAY)
        self.assertEqual((self.mail.messages, self.count("pusher")), ([], 0))


class WhenTests(MailTestCase):
    def test_what_stays_unread(self) -> None:
        self.say(body="hello <b>world</b>")
        self.wait(DELAY - 60)
        self.assertEqual(self.mail.messages, [])
        self.say(body="how are you?")
        self.wait(60)
        self.assertEqual(self.mail.subjects, ["[Matrix] bob wrote to you several times"])
        self.assertIn("hello <b>world</b>", self.mail.text())
        self.assertIn("how are you?", self.mail.text())
        self.assertIn("hello &lt;b&gt;world&lt;/b&gt;", self.mail.text("html"))
        self.wait(2 * DELAY)
        self.assertEqual(len(self.mail.messages), 1)

    def test_reading_is_no_reason_to_write(self) -> None:
        self.patch(Notifications, "after", lambda *_: self.fail("nothing is unread"))
        self.read(self.alice, self.say(self.alice))
        self.wait(2 * DELAY)
        self.assertEqual(self.mail.messages, [])

    def test_what_is_read_in_time(self) -> None:
        self.read(self.alice, self.say())
        self.wait(2 * DELAY)
        self.assertEqual(self.mail.messages, [])

    def test_the_same_room_not_too_often(self) -> None:
        hours = []
        for hour in range(60):
            before = len(self.mail.messages)
            self.say()
            self.wait(3600)
            if len(self.mail.messages) > before:
                hours.append(hour)
        self.assertEqual(hours, [0, 1, 25, 49])

    def test_after_a_quiet_time_it_is_told_soon(self) -> None:
        for _ in range(2):
            self.say()
            self.wait(3600)
        self.read(self.alice, self.say())
        self.wait(36 * 3600)
        self.say()
        self.wait(DELAY)
        self.say()
        self.wait(2 * DELAY)
        self.assertEqual(len(self.mail.messages), 4)

    def test_another_room_is_told_of(self) -> None:
        other = self.carol.create_room(members=[self.alice], name="Hall", preset="public_chat")
        for _ in range(2):
            self.say()
            self.wait(3600)
        self.say()
        self.wait(60)
        self.say(self.carol, room_id=other)
        self.wait(2 * DELAY)
        self.assertEqual(self.mail.subjects[-1], "[Matrix] Unread messages in Hall and other rooms")

    def test_no_mail_server(self) -> None:
        self.mail.is_down = True
        self.say()
        self.wait(2 * DELAY)
        self.mail.is_down = False
        self.restart()
        self.wait(3600)
        self.assertEqual(len(self.mail.messages), 1)

    def test_restarts_change_nothing(self) -> None:
        self.say()
        self.wait(300)
        self.restart()
        self.wait(240)
        self.assertEqual(self.mail.messages, [])
        self.wait(120)
        self.assertEqual(len(self.mail.messages), 1)
        self.restart()
        self.wait(3600)
        self.assertEqual(len(self.mail.messages), 1)

    def test_what_is_remembered_ends(self) -> None:
        self.say()
        self.wait(DELAY)
        self.assertEqual(self.count("push_mail_throttle"), 1)
        for _ in range(3):
            self.advance(24 * 3600)
        self.assertEqual(self.count("push_mail_throttle"), 0)


class SubjectTests(MailTestCase):
    def subject(self) -> str:
        self.wait(DELAY)
        [subject] = self.mail.subjects
        return subject

    def test_one_message(self) -> None:
        self.say()
        self.assertEqual(self.subject(), "[Matrix] bob wrote to you")

    def test_one_message_in_a_room(self) -> None:
        self.bob.set_state(self.room_id, "m.room.name", {"name": "Hall\r\nBcc: everybody"})
        self.say()
        self.assertEqual(self.subject(), "[Matrix] bob wrote in Hall Bcc: everybody")
        self.assertIsNone(self.mail.messages[0]["Bcc"])

    def test_several_in_a_room(self) -> None:
        self.bob.set_state(self.room_id, "m.room.name", {"name": "Hall"})
        self.say()
        self.say()
        self.assertEqual(self.subject(), "[Matrix] Unread messages in Hall")
        self.assertIn(f"https://matrix.to/#/{self.room_id}", self.mail.text())

    def test_several_rooms_without_names(self) -> None:
        other = self.carol.create_room(members=[self.alice], preset="public_chat")
        self.say()
        self.say(self.carol, room_id=other)
        self.assertEqual(self.subject(), "[Matrix] Unread messages from carol and others")

    def test_invitations(self) -> None:
        self.bob.create_room(invite=[self.alice.user_id], name="Hall")
        self.assertEqual(self.subject(), "[Matrix] bob invites you to Hall")

    def test_invitations_to_spaces(self) -> None:
        kind = {"type": "m.space"}
        self.bob.create_room(invite=[self.alice.user_id], name="Hall", creation_content=kind)
        self.assertEqual(self.subject(), "[Matrix] bob invites you to the space Hall")

    def test_invitations_to_rooms_without_names(self) -> None:
        self.bob.create_room(invite=[self.alice.user_id])
        self.assertEqual(self.subject(), "[Matrix] bob invites you to a conversation")

    def test_what_nobody_here_can_read(self) -> None:
        self.say(type="m.room.encrypted", algorithm="m.megolm.v1.aes-sha2", ciphertext="x", session_id="y")
        self.say(msgtype="m.image", body="cat.jpg", url="mxc://test/abc")
        self.say(body="x" * 10_000)
        self.subject()
        text = self.mail.text()
        self.assertIn("sent an encrypted message", text)
        self.assertIn("sent a picture", text)
        self.assertLess(len(text), 4_000)


class UnsubscribeTests(MailTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.say()
        self.wait(DELAY)
        parts = urlsplit(self.mail.link())
        self.path, self.query = parts.path, dict(parse_qsl(parts.query))

    def post(self, query: Json) -> int:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = b"List-Unsubscribe=One-Click"
        return self.anonymous.request("POST", self.path, body, query=query, headers=headers).status

    def test_one_click(self) -> None:
        """https://www.rfc-editor.org/rfc/rfc8058"""
        message = self.mail.messages[-1]
        self.assertEqual(message["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click")
        self.assertIn(self.mail.link(), self.mail.text())
        self.assertEqual(self.post(self.query), 200)
        self.assertEqual(self.pushers(self.alice), [])
        self.assertEqual(self.post(self.query), 200)

    def test_looking_does_nothing(self) -> None:
        answer = self.anonymous.get(self.path, **self.query)
        self.assertEqual(answer.status, 200)
        self.assertIn(ADDRESS, answer.body.decode())
        self.assertEqual(self.pushers(self.alice), [ADDRESS])

    def test_links_cannot_be_made(self) -> None:
        good = self.query
        forged = [{}, good | {"user_id": self.bob.user_id}, *(good | {name: "ä"} for name in good)]

        def check(query: Json) -> None:
            self.assertEqual(self.post(query), 400)
            self.assertEqual(self.anonymous.get(self.path, **query).status, 400)

        each(check, forged)
        self.assertEqual(self.pushers(self.alice), [ADDRESS])


class NewcomerTests(MailTestCase):
    def test_those_who_register_with_an_address(self) -> None:
        """The address is confirmed before there is an account."""
        self.patch(
            newcomers.Newcomers, "_spending", lambda *_: lambda txn, nid: _give_nid(txn, nid, "dave@test")
        )
        dave = self.register("dave")
        [pusher] = dave.get("/pushers")["pushers"]
        self.assertEqual((pusher["app_id"], pusher["pushkey"]), ("m.email", "dave@test"))


class WithoutContentTests(MailTestCase):
    settings: ClassVar[Sequence[str]] = [
        *SETTINGS,
        "push.include_content=false",
        "email.client_base_url=https://chat.test/",
    ]

    def test_what_was_said_stays_here(self) -> None:
        self.say(body="secret")
        self.wait(DELAY)
        self.assertNotIn("secret", self.mail.text() + self.mail.text("html"))
        self.assertIn(f"https://chat.test/#/room/{self.room_id}", self.mail.text())
