"""Logging in with JSON Web Tokens; the tokens are signed here as an operator's own service would."""

from collections.abc import Sequence
from typing import Any, ClassVar

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.client import Answer
from tests.wire import WireTestCase

_SECRET = "a secret that is long enough for HMAC with SHA-512, as RFC 7518 wants it to be 64 bytes"
_NOW = 1_700_000_000


def _settings(**more: str) -> tuple[str, ...]:
    given = {"enabled": "true", "secret": f"'{_SECRET}'", "algorithm": "HS256", **more}
    return tuple(f"jwt_config.{key}={value}" for key, value in given.items())


class JwtTestCase(WireTestCase):
    settings: ClassVar[Sequence[str]] = _settings()

    def log_in_with(self, claims: dict[str, Any], key: Any = _SECRET, algorithm: str = "HS256") -> Answer:
        token = jwt.encode(claims, key, algorithm)
        return self.anonymous.post("/login", {"type": "org.matrix.login.jwt", "token": token})

    def check_refused(self, claims: dict[str, Any], key: Any = _SECRET, algorithm: str = "HS256") -> None:
        answer = self.log_in_with(claims, key, algorithm)
        self.assertEqual((claims, *answer.error), (claims, 403, "M_FORBIDDEN"))


class JwtTests(JwtTestCase):
    def test_the_flow_is_told(self) -> None:
        self.assertIn({"type": "org.matrix.login.jwt"}, self.anonymous.get("/login")["flows"])

    def test_known_users(self) -> None:
        alice = self.register("alice")
        self.assertEqual(self.log_in_with({"sub": "Alice"})["user_id"], alice.user_id)

    def test_unknown_users_get_an_account(self) -> None:
        self.assertEqual(self.log_in_with({"sub": "new"})["user_id"], "@new:test")
        self.assertEqual(self.log_in_with({"sub": "new"})["user_id"], "@new:test")
        self.assertEqual(self.anonymous.get("/profile/@new:test")["displayname"], "new")

    def test_signatures_and_shapes(self) -> None:
        self.check_refused({"sub": "alice"}, "another secret that is as long as it should be for SHA-256")
        self.check_refused({"sub": "alice"}, _SECRET, "HS512")
        self.check_refused({"sub": "alice"}, None, "none")
        self.check_refused({})
        self.check_refused({"sub": ""})
        self.check_refused({"sub": "alice", "exp": True})
        for token in ("", "x", "a.b.c"):
            body = {"type": "org.matrix.login.jwt", "token": token}
            self.assertEqual(self.anonymous.post("/login", body).error, (403, "M_FORBIDDEN"))
        answer = self.anonymous.post("/login", {"type": "org.matrix.login.jwt"})
        self.assertEqual(answer.error, (400, "M_MISSING_PARAM"))
        self.assertEqual(self.log_in_with({"sub": "no good"}).error, (400, "M_INVALID_USERNAME"))

    def test_times(self) -> None:
        good = {"sub": "alice", "exp": _NOW + 1, "nbf": _NOW, "iat": _NOW}
        self.assertEqual(self.log_in_with(good).status, 200)
        for claim, value in (("exp", _NOW), ("nbf", _NOW + 1), ("iat", _NOW + 1)):
            self.check_refused({**good, claim: value})

    def test_an_audience_that_nobody_asked_for(self) -> None:
        self.check_refused({"sub": "alice", "aud": "somebody"})

    def test_deactivated_users(self) -> None:
        alice = self.register("alice")
        identifier = {"type": "m.id.user", "user": "alice"}
        auth = {"type": "m.login.password", "identifier": identifier, "password": "correct horse"}
        alice.post("/account/deactivate", {"auth": auth})
        self.assertEqual(self.log_in_with({"sub": "alice"}).error, (403, "M_USER_DEACTIVATED"))


class ClaimTests(JwtTestCase):
    settings = _settings(
        subject_claim="name", display_name_claim="full_name", issuer="us", audiences="[here, there]"
    )

    def test_all_that_is_asked_for(self) -> None:
        good = {"name": "alice", "full_name": "Alice A.", "iss": "us", "aud": ["elsewhere", "there"]}
        self.assertEqual(self.log_in_with(good)["user_id"], "@alice:test")
        self.assertEqual(self.anonymous.get("/profile/@alice:test")["displayname"], "Alice A.")
        for claim, value in (("iss", "them"), ("aud", "elsewhere"), ("name", None)):
            self.check_refused({**good, claim: value})
        for claim in ("iss", "aud", "name"):
            self.check_refused({key: good[key] for key in good if key != claim})


class AsymmetricTests(JwtTestCase):
    def test_each_kind_of_key(self) -> None:
        keys: dict[str, Any] = {
            "RS256": rsa.generate_private_key(65537, 2048),
            "PS512": rsa.generate_private_key(65537, 2048),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        }
        for algorithm, key in keys.items():
            public = key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            secret = public.decode().replace("\n", "\\n")
            type(self).settings = _settings(secret=f'"{secret}"', algorithm=algorithm)
            self.restart()
            self.assertEqual(self.log_in_with({"sub": "alice"}, key, algorithm)["user_id"], "@alice:test")
            # Whoever knows the public key must not sign with it.
            self.check_refused({"sub": "alice"}, _SECRET, "HS256")
