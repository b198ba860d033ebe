"""Client API: credentials for TURN servers.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3voipturnserver
"""

import hmac
from base64 import b64encode

import msgspec

from config.calls import Turn
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import GuestAccessForbidden, NotFound
from homeserver.runtime.clock import Clock


class TurnServer(msgspec.Struct):
    """`ttl` is in seconds."""

    username: str
    password: str
    uris: tuple[str, ...]
    ttl: int


class CallEndpoints:
    def __init__(self, turn: Turn, clock: Clock) -> None:
        self._turn = turn
        self._clock = clock

    @endpoint("GET", "/_matrix/client/(v3|r0)/voip/turnServer", auth=Auth.GUEST, limit=Limit.NONE)
    async def turn_server(self, requester: Requester) -> TurnServer:
        """Where TURN servers are, and what to tell them."""
        turn = self._turn
        if requester.is_guest and not turn.guests:
            raise GuestAccessForbidden("Guests may not use the TURN servers")
        ttl = int(turn.lifetime.total_seconds())
        if turn.uris and turn.shared_secret is not None:
            # As the REST API of TURN servers has it: draft-uberti-behave-turn-rest-00, section 2.2.
            username = f"{self._clock.now_ms() // 1000 + ttl}:{requester.user_id}"
            digest = hmac.digest(turn.shared_secret.encode(), username.encode(), "sha1")
            return TurnServer(username, b64encode(digest).decode(), turn.uris, ttl)
        if turn.uris and turn.username is not None and turn.password is not None:
            return TurnServer(turn.username, turn.password, turn.uris, ttl)
        raise NotFound("This server knows no TURN servers")
