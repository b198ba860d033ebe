"""Messages to devices of users elsewhere: stored before the sender is told that they were sent.

https://spec.matrix.org/v1.19/server-server-api/#send-to-device-messaging
"""

from collections import defaultdict
from collections.abc import Mapping

from federation.outgoing.queues import Queues
from homeserver.protocol.identifiers import ServerName, UserID, server_of
from homeserver.protocol.json import JsonObject


class RemoteInboxes:
    """The part of `OtherServers` that is about messages."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def send_to_devices(
        self, sender: UserID, type_: str, message_id: str, messages: Mapping[UserID, Mapping[str, JsonObject]]
    ) -> None:
        """One EDU for each server; other servers, too, know a message that comes twice by its ID."""
        by_server: dict[ServerName, JsonObject] = defaultdict(dict)
        for user_id, contents in messages.items():
            by_server[ServerName(server_of(user_id))][user_id] = dict(contents)
        edus: dict[ServerName, JsonObject] = {
            server: {
                "edu_type": "m.direct_to_device",
                "content": {"sender": sender, "type": type_, "message_id": message_id, "messages": theirs},
            }
            for server, theirs in by_server.items()
        }
        await self._queues.queue_edus(f"m.direct_to_device {message_id}", edus)
