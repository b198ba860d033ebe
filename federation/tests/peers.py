"""Other servers without a network: what they publish, and what is asked of them."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from federation.key_answers import publish_keys
from federation.transport import Call
from homeserver.http.outbound import Response
from homeserver.protocol.errors import RemoteFailed
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject, JsonValue, decode_json, encode_json
from homeserver.protocol.signing import EventSigner, SigningKey, sign_json

NOW_MS = 1_700_000_000_000
DAY_MS = 24 * 3600 * 1000


def identity(name: str, version: str = "1") -> EventSigner:
    """A server's name and key; the same each time."""
    return EventSigner(ServerName(name), SigningKey(version, f"{version} {name}".encode().ljust(32, b"\0")))


class Peers:
    """Servers by name, as `federation.transport` would reach them.

    `published` holds what they answer when asked for their keys; who is not in it is down. `answers` holds functions
    for other requests, by destination and path.
    """

    def __init__(self) -> None:
        self.published: dict[str, JsonObject] = {}
        self.answers: dict[tuple[str, str], Callable[[Call], Any]] = {}
        self.asked: Counter[str] = Counter()
        self.calls: list[tuple[str, Call]] = []
        self.slow: Deferred[None] | None = None

    def publish(self, signer: EventSigner, valid_until_ts: int = NOW_MS + DAY_MS, **changes: Any) -> None:
        self.published[signer.server_name] = self.answer_of(signer, valid_until_ts, **changes)

    def answer_of(self, signer: EventSigner, valid_until_ts: int, **changes: Any) -> JsonObject:
        answer = {**publish_keys(signer, {}, valid_until_ts), **changes}
        return sign_json(answer, signer.server_name, signer.key)

    def notary(self, signer: EventSigner, *answers: JsonObject) -> None:
        """A server that answers questions about others with what it signs here."""
        signed = [sign_json(answer, signer.server_name, signer.key) for answer in answers]

        def answer(call: Call) -> JsonObject:
            wanted = (call.content or {})["server_keys"]
            return {"server_keys": [each for each in signed if each["server_name"] in wanted]}

        self.answers[signer.server_name, "/_matrix/key/v2/query"] = answer

    def says(self, name: str, path: str, answer: JsonValue) -> None:
        """What a server answers to every request for the path."""
        self.answers[name, path] = lambda _: answer

    async def send(self, destination: ServerName, call: Call) -> Response:
        self.asked[destination] += 1
        self.calls.append((destination, call))
        if self.slow is not None:
            waiting: Deferred[None] = Deferred()
            self.slow.addBoth(lambda _: waiting.callback(None))
            await waiting
        if call.path == "/_matrix/key/v2/server" and destination in self.published:
            return Response(200, {}, encode_json(self.published[destination]))
        answer = self.answers.get((destination, call.path))
        if answer is None:
            raise RemoteFailed(f"{destination} is down")
        # As it would come over the wire.
        return Response(200, {}, encode_json(decode_json(encode_json(answer(call)))))
