"""Client API: sending messages to devices."""

import msgspec

from homeserver.e2ee.to_device import ToDevice
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import parse_user_id
from homeserver.protocol.json import JsonObject

# Keys of a large room for hundreds of devices are sent at once.
_LARGEST_BODY = 8 * 1024 * 1024


class ToDeviceBody(msgspec.Struct, frozen=True):
    messages: dict[str, dict[str, msgspec.Raw]]


class ToDeviceEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#send-to-device-messaging"""

    def __init__(self, to_device: ToDevice) -> None:
        self._to_device = to_device

    @endpoint(
        "PUT",
        "/_matrix/client/(v3|r0|unstable)/sendToDevice/{event_type}/{txn_id}",
        auth=Auth.GUEST,
        limit=Limit.NONE,
        replay_by="txn_id",
        max_body=_LARGEST_BODY,
    )
    async def send_to_device(
        self, requester: Requester, event_type: str, txn_id: str, body: ToDeviceBody
    ) -> JsonObject:
        """Sends messages to devices, once for each transaction ID."""
        messages = {parse_user_id(user_id): contents for user_id, contents in body.messages.items()}
        await self._to_device.send(requester, event_type, txn_id, messages)
        return {}
