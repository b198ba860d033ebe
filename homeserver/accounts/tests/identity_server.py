"""An identity server, played by tests.

https://spec.matrix.org/v1.19/identity-service-api/
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from homeserver.http.outbound import Outbound, RequestFailed, Response
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.protocol.signing import SigningKey, sign_json
from homeserver.protocol.unpadded_base64 import encode_base64, encode_urlsafe_base64
from tests.wire import WireTestCase

NAME = "id.example"
_ROOT = f"https://{NAME}/_matrix/identity/v2"
_VALIDITY = f"{_ROOT}/pubkey/isvalid"


class IdentityServer:
    """Knows the users of `bound` addresses, and keeps what is stored for others. `token` is what it wants to see."""

    def __init__(self) -> None:
        self.bound: dict[str, str] = {}
        self.stored: list[JsonObject] = []
        self.asked: list[str] = []
        self.algorithms = ["sha256", "none"]
        self.token = "id token"
        self.says: dict[str, tuple[int, Any]] = {}
        """What it answers instead of what it should, by the last part of the path."""
        self._key, self._ephemeral = (SigningKey(version, version.encode() * 32) for version in "12")

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, **_: Any
    ) -> Response:
        """As `Outbound` does."""
        if not url.startswith(_ROOT):
            raise RequestFailed("nobody there")
        operation = url.removeprefix(f"{_ROOT}/")
        self.asked.append(f"{method} {operation}")
        status, answer = self.says.get(operation) or self._answer(operation, headers, body)
        return Response(status, {}, answer if isinstance(answer, bytes) else encode_json(answer))

    def signed(self, token: str, mxid: str, sender: str) -> JsonObject:
        """What somebody gets who shows that the invited address is theirs."""
        signed: JsonObject = {"mxid": mxid, "sender": sender, "token": token}
        return sign_json(signed, ServerName(NAME), self._ephemeral)

    def _answer(self, operation: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, Any]:
        if headers["Authorization"] != f"Bearer {self.token}":
            return 401, {"errcode": "M_UNAUTHORIZED", "error": "Who are you?"}
        if operation == "hash_details":
            return 200, {"algorithms": self.algorithms, "lookup_pepper": "pepper"}
        content = decode_json(body or b"")
        if operation == "lookup":
            assert content["pepper"] == "pepper", content
            known = {
                self._written(address, content["algorithm"]): user for address, user in self.bound.items()
            }
            return 200, {
                "mappings": {query: known[query] for query in content["addresses"] if query in known}
            }
        assert operation == "store-invite", operation
        self.stored.append(content)
        keys = [
            {"public_key": encode_base64(key.public_key), "key_validity_url": _VALIDITY}
            for key in (self._key, self._ephemeral)
        ]
        token = f"token{len(self.stored)}"
        return 200, {"token": token, "public_keys": keys, "display_name": "b...@e..."}

    def _written(self, address: str, algorithm: str) -> str:
        if algorithm == "none":
            return f"{address} email"
        return encode_urlsafe_base64(sha256(f"{address} email pepper".encode()).digest())


class IdentityServerTestCase(WireTestCase):
    """With an identity server, and nobody else, on the Internet."""

    def setUp(self) -> None:
        self.identity_server = IdentityServer()
        self.patch(
            Outbound, "request", lambda _, *args, **options: self.identity_server.request(*args, **options)
        )
        super().setUp()
