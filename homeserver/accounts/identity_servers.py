"""Identity servers, which publish by which address a user is found. Users choose them.

https://spec.matrix.org/v1.19/identity-service-api/#establishing-associations
"""

import logging
from typing import Protocol

import msgspec

from homeserver.accounts.address import Address, parse_address
from homeserver.http.outbound import Outbound, RequestFailed, Response
from homeserver.protocol.errors import MatrixError, RemoteFailed, Unknown
from homeserver.protocol.identifiers import ServerName, UserID, parse_server_name
from homeserver.protocol.json import JsonObject, JsonValue

log = logging.getLogger(__name__)

_BIND, _UNBIND = "/_matrix/identity/v2/3pid/bind", "/_matrix/identity/v2/3pid/unbind"
_LONGEST_MESSAGE = 500


class SignRequest(Protocol):
    """Makes the header `Authorization` of a request between servers. Implemented by `federation`."""

    def __call__(self, method: str, uri: str, destination: ServerName, content: JsonValue) -> str: ...


class IdentityServerRefusal(MatrixError):
    """What an identity server said, in its own words."""

    def __init__(self, errcode: str, message: str, status: int) -> None:
        super().__init__(message)
        self._errcode = errcode
        self.status = status  # type: ignore[misc]  # of this very refusal, not of all

    def body(self) -> JsonObject:
        return {**super().body(), "errcode": self._errcode}


class _Association(msgspec.Struct):
    medium: str
    address: str


class _Refusal(msgspec.Struct):
    errcode: str
    error: str = "The identity server refused"


class IdentityServers:
    """Calls that a homeserver makes in the name of its users."""

    def __init__(self, outbound: Outbound, sign: SignRequest) -> None:
        self._outbound = outbound
        self._sign = sign

    async def bind(
        self, id_server: str, access_token: str, user_id: UserID, sid: str, client_secret: str
    ) -> Address:
        """Publishes the address that the identity server itself validated, and returns it.

        Raises InvalidParam for what is no server, IdentityServerRefusal, and RemoteFailed where there is no answer.
        """
        host = parse_server_name(id_server)
        body = {"sid": sid, "client_secret": client_secret, "mxid": user_id}
        answer = await self._post(host, _BIND, body, f"Bearer {access_token}")
        if answer.status != 200:
            raise _refusal(host, answer)
        try:
            found = msgspec.json.decode(answer.body, type=_Association)
            return parse_address(found.medium, found.address)
        except (msgspec.MsgspecError, UnicodeError, Unknown) as error:
            raise RemoteFailed(f"{host} does not say what it publishes") from error

    async def unbind(self, id_server: str, user_id: UserID, address: Address) -> bool:
        """Whether the identity server no longer publishes the address. Raises InvalidParam for what is no server."""
        host = parse_server_name(id_server)
        body: JsonObject = {"mxid": user_id, "threepid": address._asdict()}
        try:
            answer = await self._post(host, _UNBIND, body, self._sign("POST", _UNBIND, host, body))
        except RemoteFailed as error:
            log.info("an address could not be unbound: %s", error)
            return False
        return answer.status == 200

    async def _post(self, host: ServerName, path: str, body: JsonObject, authorization: str) -> Response:
        try:
            return await self._outbound.post_json(
                f"https://{host}{path}",
                body,
                purpose="identity_server",
                headers={"Authorization": authorization},
            )
        except RequestFailed as error:
            raise RemoteFailed(f"{host} cannot be asked: {error}") from error


def _refusal(host: ServerName, answer: Response) -> MatrixError:
    try:
        said = msgspec.json.decode(answer.body, type=_Refusal)
    except (msgspec.MsgspecError, UnicodeError):
        return RemoteFailed(f"{host} failed with status {answer.status}")
    if answer.status == 401 or answer.status >= 500:
        # The client would take M_UNKNOWN_TOKEN to be about its own session here.
        return RemoteFailed(f"{host} refused: {said.error[:_LONGEST_MESSAGE]}")
    return IdentityServerRefusal(said.errcode, said.error[:_LONGEST_MESSAGE], answer.status)
