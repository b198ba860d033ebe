"""Keys that are not whose they are said to be, or not valid."""

from typing import Any

from federation.key_answers import publish_keys
from homeserver.protocol.identifiers import ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.signing import EventSigner, SigningKey, sign_json
from homeserver.protocol.unpadded_base64 import encode_base64
from tests.client import Answer
from tests.federation.hostile.liar import LiarTestCase
from tests.wire import WireServer, each

EVE = "eve.example"
_FAR = 2**53 - 1


class KeyTests(LiarTestCase):
    """Eve's server, of which no key is known yet, has published something."""

    def setUp(self) -> None:
        super().setUp()
        self.eve = WireServer(self.site, EVE)
        self.eve_signer = EventSigner(ServerName(EVE), self.eve.key)
        self.there.add(EVE)
        self.asks(self.remote)

    def published(
        self, signer: EventSigner | None = None, valid_until: int = _FAR, **changes: Any
    ) -> JsonObject:
        signer = signer or self.eve_signer
        answer = {**publish_keys(signer, {}, valid_until), **changes}
        answer.pop("signatures")
        return sign_json(answer, signer.server_name, signer.key)

    def publish(self, answer: Any) -> None:
        self.lies["/_matrix/key/v2/server"] = lambda _: answer
        # Servers are not asked for the same key all the time.
        self.advance(40)

    def asks(self, server: WireServer) -> Answer:
        path = "/_matrix/federation/v1/query/profile"
        return server.request("GET", path, query={"user_id": self.alice.user_id})

    def now_ms(self) -> int:
        return int(self.reactor.seconds() * 1000)

    def test_what_is_believed(self) -> None:
        self.publish(self.published())
        self.assertEqual(self.asks(self.eve).status, 200)

    def test_what_convinces_nobody(self) -> None:
        other = SigningKey("1", b"another".ljust(32, b"\0"))
        remotes = {"ed25519:1": {"key": encode_base64(self.remote.key.public_key)}}

        def check(answer: Any) -> None:
            self.publish(answer)
            self.assertEqual(self.asks(self.eve).status, 401)
            self.assertEqual(self.asks(self.remote).status, 200)
            self.goes_on()

        each(
            check,
            [
                self.published(self.signer),
                self.published(server_name="remote.example"),
                self.published(EventSigner(ServerName(EVE), other)),
                self.published(verify_keys=remotes),
                self.published(verify_keys={}),
                self.published(verify_keys={"ed25519:1": {"key": "AAAA"}}),
                self.published(verify_keys={"ed25519:1": {"key": "*"}}),
                self.published(verify_keys={f"ed25519:{n}": {"key": "A" * 43} for n in range(1000)}),
                self.published(valid_until=0),
                self.published(valid_until=self.now_ms() - 1),
                self.published(valid_until_ts=-1),
                {**self.published(), "signatures": {}},
                {**self.published(), "signatures": {EVE: {"ed25519:1": "A" * 86}}},
                {**self.published(), "signatures": {EVE: 1}},
                {**self.published(), "valid_until_ts": "1"},
                [],
                None,
                {},
                "x",
            ],
        )

    def test_keys_of_others(self) -> None:
        """What Eve says of the remote server does not let her speak for it."""
        thief = EventSigner(ServerName("remote.example"), self.eve.key)
        self.publish(self.published(thief))
        pretended = WireServer(self.site, "remote.example")
        pretended.key = self.eve.key
        self.assertEqual(self.asks(self.eve).status, 401)
        # Asked by name, it is the remote server that answers.
        self.lies.clear()
        self.assertEqual(self.asks(pretended).status, 401)
        self.assertEqual(self.asks(self.remote).status, 200)

    def test_a_key_that_has_expired(self) -> None:
        """It signs no requests, and no events from after that time."""
        old = SigningKey("old", b"old".ljust(32, b"\0"))
        expired = self.now_ms() - 1000
        old_keys = {"ed25519:old": {"key": encode_base64(old.public_key), "expired_ts": expired}}
        self.publish(self.published(old_verify_keys=old_keys))
        self.signer, current = EventSigner(ServerName(EVE), old), self.signer
        eve = UserID(f"@eve:{EVE}")
        self.assertEqual(self.asks(self.eve).status, 200)
        late = self.member("join", eve)
        self.assertIn("not valid", self.send(late, by=self.eve)["pdus"][late.event_id]["error"])
        self.hides(late)
        early = self.member("join", eve, origin_server_ts=expired - 1)
        self.assertEqual(self.send(early, by=self.eve)["pdus"], {early.event_id: {}})
        self.eve.key = old
        self.assertEqual(self.asks(self.eve).status, 401)
        self.signer = current
        self.goes_on()

    def test_a_key_beyond_what_was_promised(self) -> None:
        """Nobody is believed for more than a week: then the server is asked again."""
        self.publish(self.published())
        self.asks(self.eve)
        self.publish({})
        for _ in range(8):
            self.advance(24 * 3600)
        self.assertEqual(self.asks(self.eve).status, 401)
