from homeserver.protocol.signing import SigningKey, verify_json
from tests.client import Json
from tests.wire import WireTestCase

OLD = "Noi6WqcDj0QmPxCNQqgezwTlBKrfqehY1u2FyWP9uYw"


class KeyTestCase(WireTestCase):
    settings = (f'old_signing_keys={{"ed25519:old": {{key: "{OLD}", expired_ts: 5}}}}',)

    def check_signed(self, answer: Json) -> None:
        """By this server."""
        verify_json(answer, "test", "ed25519:test", SigningKey("test", b"\x01" * 32).public_key)

    @property
    def now_ms(self) -> int:
        return int(self.reactor.seconds() * 1000)


class PublishedKeyTests(KeyTestCase):
    def test_published_keys(self) -> None:
        for path in ("/_matrix/key/v2/server", "/_matrix/key/v2/server/ed25519:test"):
            answer = self.anonymous.get(path).json
            self.assertEqual(answer["server_name"], "test")
            self.assertEqual(answer["valid_until_ts"], self.now_ms + 24 * 3600 * 1000)
            self.assertEqual(list(answer["verify_keys"]), ["ed25519:test"])
            self.assertEqual(answer["old_verify_keys"], {"ed25519:old": {"key": OLD, "expired_ts": 5}})
            self.check_signed(answer)


class NotaryTests(KeyTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.remote = self.other_server()

    def query(self, name: str, **query: object) -> Json:
        return self.anonymous.get(f"/_matrix/key/v2/query/{name}", **query)["server_keys"]

    def query_many(self, criteria: Json) -> Json:
        return self.anonymous.post("/_matrix/key/v2/query", {"server_keys": criteria})["server_keys"]

    def test_keys_of_another_server(self) -> None:
        for (answer,) in (
            self.query("remote.example"),
            self.query("remote.example/ed25519:1"),
            self.query_many({"remote.example": {"ed25519:1": {"minimum_valid_until_ts": 5}}}),
        ):
            self.assertEqual(answer["server_name"], "remote.example")
            self.check_signed(answer)
            verify_json(answer, "remote.example", "ed25519:1", self.remote.key.public_key)

    def test_own_keys(self) -> None:
        (answer,) = self.query("test")
        self.assertEqual(answer["server_name"], "test")
        self.check_signed(answer)

    def test_several_servers(self) -> None:
        self.other_server("two.example")
        answers = self.query_many({"remote.example": {}, "two.example": {}, "test": {}})
        self.assertEqual(
            {answer["server_name"] for answer in answers}, {"remote.example", "two.example", "test"}
        )
        self.assertEqual(self.query_many({}), [])

    def test_a_server_that_cannot_be_asked(self) -> None:
        asked = self.anonymous.start("GET", "/_matrix/key/v2/query/1.2.3.4")
        self.advance(60)
        assert asked.answer is not None
        self.assertEqual(asked.answer["server_keys"], [])

    def test_old_keys_are_better_than_none(self) -> None:
        self.advance(8 * 24 * 3600)
        asked = self.anonymous.start("GET", "/_matrix/key/v2/query/remote.example")
        self.advance(60)
        self.advance(60)
        assert asked.answer is not None
        (answer,) = asked.answer["server_keys"]
        self.assertEqual(answer["server_name"], "remote.example")

    def test_what_is_refused(self) -> None:
        for name in ("a_b", "%20", "https:%2F%2Fa"):
            answer = self.anonymous.get(f"/_matrix/key/v2/query/{name}")
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))
        criteria: Json = {f"{number}.example": {} for number in range(1001)}
        answer = self.anonymous.post("/_matrix/key/v2/query", {"server_keys": criteria})
        self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))
        answer = self.anonymous.get("/_matrix/key/v2/query/test", minimum_valid_until_ts=-1)
        self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))
