"""Synapse's admin API: what the server says to a user."""

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.notices.notices import ServerNotices
from homeserver.protocol.identifiers import EventID, parse_user_id
from homeserver.protocol.json import JsonObject

_PATH = "/_synapse/admin/v1/send_server_notice"


class NoticeBody(msgspec.Struct, frozen=True):
    user_id: str
    content: JsonObject
    type: str = "m.room.message"
    state_key: str | None = None


class NoticeSent(msgspec.Struct, frozen=True):
    event_id: EventID


class ServerNoticeEndpoints:
    """https://element-hq.github.io/synapse/latest/admin_api/server_notices.html"""

    def __init__(self, notices: ServerNotices) -> None:
        self._notices = notices

    @endpoint("POST", _PATH, auth=Auth.ADMIN, limit=Limit.NONE)
    async def send(self, requester: Requester, body: NoticeBody) -> NoticeSent:
        """Sends a notice to a user of this server."""
        return await self._send(body, None)

    @endpoint("PUT", _PATH + "/{txn_id}", auth=Auth.ADMIN, limit=Limit.NONE, replay_by="txn_id")
    async def send_once(self, requester: Requester, txn_id: str, body: NoticeBody) -> NoticeSent:
        """The same, and once only for a transaction ID."""
        return await self._send(body, (requester.scope, "send_server_notice", txn_id))

    async def _send(self, body: NoticeBody, transaction: tuple[int, str, str] | None) -> NoticeSent:
        event_id = await self._notices.send(
            parse_user_id(body.user_id),
            body.content,
            type_=body.type,
            state_key=body.state_key,
            transaction=transaction,
        )
        return NoticeSent(event_id)
