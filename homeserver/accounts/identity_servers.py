"""Identity servers, which publish by which address a user is found. Users choose them.

https://spec.matrix.org/v1.19/identity-service-api/
"""

import logging
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol, TypeVar

import msgspec

from homeserver.accounts.address import Address, parse_address
from homeserver.http.outbound import Outbound, RequestFailed, Response
from homeserver.protocol.errors import InvalidParam, MatrixError, RemoteFailed
from homeserver.protocol.identifiers import ServerName, UserID, parse_server_name, parse_user_id
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.unpadded_base64 import encode_urlsafe_base64

log = logging.getLogger(__name__)

T = TypeVar("T")

_V2 = "/_matrix/identity/v2"
_BIND, _UNBIND = f"{_V2}/3pid/bind", f"{_V2}/3pid/unbind"
_HASH_DETAILS, _LOOKUP, _STORE_INVITE = f"{_V2}/hash_details", f"{_V2}/lookup", f"{_V2}/store-invite"
_LONGEST_MESSAGE = 500
# https://spec.matrix.org/v1.19/appendices/#opaque-identifiers
_TOKEN = re.compile(r"[0-9a-zA-Z.=_-]{1,255}")


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


class InvitationKey(msgspec.Struct, frozen=True):
    """Who signs with it vouches for the invited user."""

    public_key: str
    key_validity_url: str


class StoredInvitation(msgspec.Struct, frozen=True):
    """`display_name` stands for the address, but does not tell it."""

    token: str
    public_keys: Sequence[InvitationKey]
    display_name: str


class _Association(msgspec.Struct):
    medium: str
    address: str


class _HashDetails(msgspec.Struct):
    lookup_pepper: str
    algorithms: list[str]

    def query(self, address: Address) -> tuple[str, str]:
        """The algorithm, and the address as that one writes it. Raises RemoteFailed where there is none."""
        if "sha256" in self.algorithms:
            text = f"{address.address} {address.medium} {self.lookup_pepper}"
            return "sha256", encode_urlsafe_base64(sha256(text.encode()).digest())
        if "none" in self.algorithms:
            return "none", f"{address.address} {address.medium}"
        raise RemoteFailed("The identity server wants addresses to be hashed in an unknown way")


class _Mappings(msgspec.Struct):
    mappings: Mapping[str, str]


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
        found = _told(host, await self._post(host, _BIND, body, _bearer(access_token)), _Association)
        try:
            return parse_address(found.medium, found.address)
        except (InvalidParam, UnicodeError) as error:
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

    async def lookup(self, id_server: str, access_token: str, address: Address) -> UserID | None:
        """Whom the address belongs to, as far as the identity server knows.

        Raises InvalidParam for what is no server, IdentityServerRefusal, and RemoteFailed.
        """
        host, authorization = parse_server_name(id_server), _bearer(access_token)
        details = _told(host, await self._get(host, _HASH_DETAILS, authorization), _HashDetails)
        algorithm, query = details.query(address)
        body: JsonObject = {
            "algorithm": algorithm,
            "pepper": details.lookup_pepper,
            "addresses": [query],
        }
        found = _told(host, await self._post(host, _LOOKUP, body, authorization), _Mappings)
        user_id = found.mappings.get(query)
        try:
            return None if user_id is None else parse_user_id(user_id)
        except InvalidParam as error:
            raise RemoteFailed(f"{host} names somebody who is no user") from error

    async def store_invitation(
        self, id_server: str, access_token: str, address: Address, invitation: JsonObject
    ) -> StoredInvitation:
        """Has the identity server write to the address, and tell its user once there is one.

        `invitation` has what it is told of the room and the sender. Raises what `lookup` does.
        """
        host = parse_server_name(id_server)
        body: JsonObject = {**address._asdict(), **invitation}
        answer = await self._post(host, _STORE_INVITE, body, _bearer(access_token))
        stored = _told(host, answer, StoredInvitation)
        if _TOKEN.fullmatch(stored.token) is None or not stored.public_keys:
            raise RemoteFailed(f"{host} gives no token or no key for the invitation")
        return stored

    async def _get(self, host: ServerName, path: str, authorization: str) -> Response:
        headers = {"Authorization": authorization}
        try:
            return await self._outbound.get_json(
                f"https://{host}{path}", purpose="identity_server", headers=headers
            )
        except RequestFailed as error:
            raise RemoteFailed(f"{host} cannot be asked: {error}") from error

    async def _post(self, host: ServerName, path: str, body: JsonObject, authorization: str) -> Response:
        headers = {"Authorization": authorization}
        try:
            return await self._outbound.post_json(
                f"https://{host}{path}", body, purpose="identity_server", headers=headers
            )
        except RequestFailed as error:
            raise RemoteFailed(f"{host} cannot be asked: {error}") from error


def _bearer(access_token: str) -> str:
    return f"Bearer {access_token}"


def _told(host: ServerName, answer: Response, kind: type[T]) -> T:
    """What a successful answer says. Raises IdentityServerRefusal, RemoteFailed."""
    if answer.status != 200:
        raise _refusal(host, answer)
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise RemoteFailed(f"{host} does not answer what it was asked") from error


def _refusal(host: ServerName, answer: Response) -> MatrixError:
    try:
        said = msgspec.json.decode(answer.body, type=_Refusal)
    except (msgspec.MsgspecError, UnicodeError):
        return RemoteFailed(f"{host} failed with status {answer.status}")
    if answer.status == 401 or answer.status >= 500:
        # The client would take M_UNKNOWN_TOKEN to be about its own session here.
        return RemoteFailed(f"{host} refused: {said.error[:_LONGEST_MESSAGE]}")
    return IdentityServerRefusal(said.errcode, said.error[:_LONGEST_MESSAGE], answer.status)
