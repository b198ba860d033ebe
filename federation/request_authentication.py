"""Who sent a request that claims to come from another server.

https://spec.matrix.org/v1.19/server-server-api/#request-authentication
"""

from federation.backoff import Backoff
from federation.keyring import Keyring
from federation.server_names import AllowedServers
from federation.x_matrix import parse_authorization, request_json
from homeserver.http.requester import ServerRequest
from homeserver.protocol.errors import NotJson, Unauthorized
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonValue, decode_json
from homeserver.protocol.signing import SignatureInvalid


class RequestAuthentication:
    """Believes a request that its origin has signed for this server, with a key that is valid now."""

    def __init__(
        self, server_name: ServerName, keyring: Keyring, allowed: AllowedServers, backoff: Backoff
    ) -> None:
        self._server_name = server_name
        self._keyring = keyring
        self._allowed = allowed
        self._backoff = backoff

    async def origin(self, request: ServerRequest) -> ServerName:
        """Raises Unauthorized, NotJson, and Forbidden for servers that the operator shuts out."""
        credentials = parse_authorization(request.authorization or "")
        if credentials.destination not in (None, self._server_name):
            raise Unauthorized("The request is meant for another server")
        if credentials.origin == self._server_name:
            raise Unauthorized("The request claims to come from this server itself")
        # First, so that nobody can make this server ask those for their keys.
        self._allowed.check(credentials.origin)
        signed = request_json(
            request.method,
            request.target,
            credentials.origin,
            credentials.destination,
            _content(request.body),
        )
        signed["signatures"] = {credentials.origin: {credentials.key_id: credentials.signature}}
        try:
            await self._keyring.verify_request(credentials.origin, signed, credentials.key_id)
        except SignatureInvalid as error:
            raise Unauthorized(str(error)) from error
        self._backoff.alive(credentials.origin)
        return credentials.origin


def _content(body: bytes) -> JsonValue | None:
    if not body:
        return None
    try:
        return decode_json(body)
    except ValueError as error:
        raise NotJson("The body is not JSON") from error
