"""Other servers on the Internet, played by tests."""

from collections.abc import Mapping
from typing import Any

from homeserver.http.outbound import Outbound, RequestFailed, Response
from homeserver.protocol.json import JsonValue, encode_json


class PlayedOutbound(Outbound):
    """Answers from a table of URLs; whoever is not in it cannot be reached."""

    def __init__(self, answers: Mapping[str, tuple[int, JsonValue]]) -> None:
        self.answers = dict(answers)
        self.asked: list[tuple[str, str, Mapping[str, str], bytes]] = []

    async def request(
        self, method: str, url: str, *, purpose: str, headers: Any = None, body: Any = None, **options: Any
    ) -> Response:
        self.asked.append((method, url, headers, body))
        if url not in self.answers:
            raise RequestFailed("nobody there")
        status, answer = self.answers[url]
        return Response(status, {}, answer if isinstance(answer, bytes) else encode_json(answer))
