"""Client API: cross-signing keys and signatures.

https://spec.matrix.org/v1.19/client-server-api/#cross-signing
"""

from typing import Any

import msgspec

from homeserver.accounts.reauthentication import Reauthentication
from homeserver.e2ee.cross_signing import CrossSigning
from homeserver.e2ee.device_lists import KeyOwner
from homeserver.e2ee.signature_upload import SignatureUpload
from homeserver.e2ee.store.cross_signing import Kind
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import BadJson
from homeserver.protocol.identifiers import parse_user_id
from homeserver.protocol.json import JsonObject

_KEYS = "/_matrix/client/(v3|r0|unstable)/keys"


class CrossSigningBody(msgspec.Struct, frozen=True):
    master_key: JsonObject | None = None
    self_signing_key: JsonObject | None = None
    user_signing_key: JsonObject | None = None
    auth: JsonObject | None = None

    def keys(self) -> dict[Kind, JsonObject]:
        given = {
            Kind.MASTER: self.master_key,
            Kind.SELF_SIGNING: self.self_signing_key,
            Kind.USER_SIGNING: self.user_signing_key,
        }
        return {kind: key for kind, key in given.items() if key is not None}


class SignatureFailures(msgspec.Struct, frozen=True):
    failures: JsonObject


class CrossSigningEndpoints:
    """New keys take the password, but the first ones do not (MSC3967)."""

    def __init__(
        self, cross_signing: CrossSigning, signatures: SignatureUpload, reauthentication: Reauthentication
    ) -> None:
        self._cross_signing = cross_signing
        self._signatures = signatures
        self._reauthentication = reauthentication

    @endpoint("POST", _KEYS + "/device_signing/upload", auth=Auth.USER, limit=Limit.NONE)
    async def upload_cross_signing_keys(self, requester: Requester, body: CrossSigningBody) -> JsonObject:
        """Publishes the user's cross-signing keys."""
        keys = await self._cross_signing.check(_owner(requester), body.keys())
        if keys.need_authentication:
            await self._reauthentication.require_lately(
                requester, "POST /keys/device_signing/upload", body, body.auth
            )
        await self._cross_signing.store(keys)
        return {}

    @endpoint("POST", _KEYS + "/signatures/upload", auth=Auth.USER, limit=Limit.NONE)
    async def upload_signatures(self, requester: Requester, body: JsonObject) -> SignatureFailures:
        """Publishes signatures of keys, those of other users for the signer alone."""
        signed = {parse_user_id(user_id): _keys(user_id, keys) for user_id, keys in body.items()}
        return SignatureFailures(await self._signatures.upload(_owner(requester), signed))


def _owner(requester: Requester) -> KeyOwner:
    return KeyOwner(requester.user_id, requester.user_nid)


def _keys(user_id: str, keys: Any) -> dict[str, JsonObject]:
    if not isinstance(keys, dict) or not all(isinstance(key, dict) for key in keys.values()):
        raise BadJson(f"{user_id} must have signed objects by the IDs of keys")
    return keys
