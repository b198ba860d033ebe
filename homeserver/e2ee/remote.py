"""What encryption asks of other servers. Implemented by federation."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from homeserver.protocol.identifiers import ServerName, UserID
from homeserver.protocol.json import JsonObject

KeyWish = Mapping[UserID, Sequence[str]]
"""Users with the IDs of the devices that are asked for; none stands for all of them."""
ClaimWish = Mapping[UserID, Mapping[str, str]]
"""Users with the algorithm that is asked for, by device ID."""


class RemoteKeys(NamedTuple):
    """What other servers said: keys by user ID, as in /keys/query; `failures` by the name of the server.

    Their shape was checked: a cross-signing key has exactly one public key.
    """

    device_keys: JsonObject
    master_keys: JsonObject
    self_signing_keys: JsonObject
    failures: JsonObject


class RemoteClaims(NamedTuple):
    """`one_time_keys` as in /keys/claim; `failures` by the name of the server."""

    one_time_keys: JsonObject
    failures: JsonObject


class OtherServers(Protocol):
    """Keys and messages of users elsewhere. No failure of a server is raised: it is told of."""

    async def query_keys(
        self, wishes: Mapping[ServerName, KeyWish], viewer: int, timeout: float
    ) -> RemoteKeys:
        """`viewer` is the short id of the local user who wants to know, `timeout` is in seconds."""

    async def claim_keys(self, wishes: Mapping[ServerName, ClaimWish], timeout: float) -> RemoteClaims:
        """`timeout` is in seconds."""

    async def send_to_devices(
        self, sender: UserID, type_: str, message_id: str, messages: Mapping[UserID, Mapping[str, JsonObject]]
    ) -> None:
        """Queues messages, by user and device ID ("*" for all devices), durably where that matters."""
