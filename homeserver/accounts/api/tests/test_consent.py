from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.client import Answer
from tests.wire import WireTestCase, each

_PAGE = "/_matrix/consent"


class ConsentTestCase(WireTestCase):
    directory: ClassVar[Path]

    @classmethod
    def setUpClass(cls) -> None:
        terms = TemporaryDirectory()
        cls.addClassCleanup(terms.cleanup)
        cls.directory = Path(terms.name)
        (cls.directory / "en").mkdir()
        page = "{{ version }} {{ user }} {{ userhmac }} {{ has_consented }} {{ public_version }}"
        for version in ("1.0", "2.0"):
            (cls.directory / "en" / f"{version}.html").write_text(page)
        cls.settings = cls.at_version("1.0")

    @classmethod
    def at_version(cls, version: str) -> tuple[str, ...]:
        message = "Accept them at %(consent_uri)s, 100%"
        return (
            f"user_consent={{version: '{version}', template_dir: {cls.directory}, block_events_error: '{message}'}}",
            "public_baseurl=https://hs.test/",
            "listeners=[{port: 8008, type: http, resources: [{names: [client, consent]}]}]",
        )

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")

    def link(self) -> dict[str, Any]:
        """What the link to the terms says, which Alice is given."""
        answer = self.alice.post("/createRoom", {})
        self.assertEqual(answer.error, (403, "M_CONSENT_NOT_GIVEN"))
        uri = answer.json["consent_uri"]
        self.assertEqual(answer.json["error"], f"Accept them at {uri}, 100%")
        self.assertEqual(uri.partition("?")[0], "https://hs.test/_matrix/consent")
        return {name: value for name, (value,) in parse_qs(urlsplit(uri).query).items()}

    def accept(self, **fields: str) -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.anonymous.request("POST", _PAGE, urlencode(fields).encode(), headers=headers)


class BlockedTests(ConsentTestCase):
    def test_until_they_accept(self) -> None:
        link = self.link()
        page = self.anonymous.get(_PAGE, **link)
        self.assertEqual(page.body.decode(), f"1.0 alice {link['h']} False False")
        self.assertIn("Thank you", self.accept(**link, v="1.0").body.decode())
        self.assertEqual(self.alice.post("/createRoom", {}).status, 200)
        self.assertIn("True", self.anonymous.get(_PAGE, **link).body.decode())
        self.restart()
        self.assertEqual(self.alice.post("/createRoom", {}).status, 200)

    def test_they_can_read_and_leave(self) -> None:
        bob = self.register("bob")
        link = self.link()
        self.accept(**link, v="1.0")
        room_id = self.alice.create_room(preset="public_chat")
        self.alice.invite(room_id, bob)
        self.assertEqual(bob.join(room_id).error, (403, "M_CONSENT_NOT_GIVEN"))
        self.assertIn(room_id, bob.sync().json["rooms"]["invite"])
        self.assertEqual(bob.leave(room_id).status, 200)
        self.assertEqual(bob.post("/logout").status, 200)

    def test_new_terms_are_asked_for_again(self) -> None:
        self.accept(**self.link(), v="1.0")
        self.patch(type(self), "settings", self.at_version("2.0"))
        self.restart()
        link = self.link()
        stale = self.accept(**link, v="1.0")
        self.assertEqual(stale.status, 400)
        self.assertEqual(self.accept(**link, v="2.0").status, 200)
        self.assertEqual(self.alice.post("/createRoom", {}).status, 200)

    def test_the_operators_thanks(self) -> None:
        success = self.directory / "en" / "success.html"
        success.write_text("Much obliged")
        self.addCleanup(success.unlink)
        self.assertEqual(self.accept(**self.link(), v="1.0").body, b"Much obliged")

    def test_links_that_are_not_good(self) -> None:
        bob = self.register("bob")
        link = self.link()

        def check(fields: dict[str, str]) -> None:
            self.assertEqual(self.accept(**fields).status, 403)
            if fields["u"]:
                self.assertEqual(self.anonymous.get(_PAGE, **fields).status, 403)

        each(
            check,
            [
                {**link, "v": "1.0", "u": "bob"},
                {**link, "v": "1.0", "h": ""},
                {**link, "v": "1.0", "h": "\u00e9"},
                {"u": "", "h": "", "v": "1.0"},
            ],
        )
        for user in (self.alice, bob):
            self.assertEqual(user.post("/createRoom", {}).error, (403, "M_CONSENT_NOT_GIVEN"))

    def test_programs_accept_nothing(self) -> None:
        admin = self.register_admin("admin")
        self.assertEqual(admin.post("/createRoom", {}).error, (403, "M_CONSENT_NOT_GIVEN"))
        bot = self.register("bot")

        def make_a_bot(txn: Any) -> None:
            txn.execute(
                """
                UPDATE account SET user_type = 'bot'
                WHERE user_nid = (SELECT nid FROM known_user WHERE user_id = %(user_id)s)
                """,
                user_id=bot.user_id,
            )

        self.successResultOf(self.server.db.write(make_a_bot))
        self.assertEqual(bot.post("/createRoom", {}).status, 200)


class UnblockedTests(ConsentTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.settings = (f"user_consent={{version: '1.0', template_dir: {cls.directory}}}", *cls.settings[1:])

    def test_terms_alone_stop_nobody(self) -> None:
        self.assertEqual(self.alice.post("/createRoom", {}).status, 200)
        self.assertEqual(self.anonymous.get(_PAGE).body, b"1.0   False True")
