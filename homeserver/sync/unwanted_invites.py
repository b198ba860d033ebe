"""Invitations that the requester does not want are not shown in /sync.

https://spec.matrix.org/v1.19/client-server-api/#invite-permission
"""

from collections.abc import Sequence

import msgspec

from homeserver.account_data.contents import AccountData
from homeserver.account_data.store import NO_ROOM, ContentKey
from homeserver.protocol.invite_permission import PERMISSION_TYPES, hides
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.sync.answer import Parts


class _Sender(msgspec.Struct):
    sender: str


class UnwantedInvites:
    def __init__(self, account_data: AccountData) -> None:
        self._account_data = account_data

    async def leave_out(self, user_nid: int, parts: Parts) -> None:
        """Drops invitations that what the user said of them hides; they come back when it says so no more."""
        if not parts.invited:
            return
        said = [(type_, await self._said(user_nid, type_)) for type_ in PERMISSION_TYPES]
        parts.invited = {
            room_id: events
            for room_id, events in parts.invited.items()
            if not any(hides(type_, content, _inviter(events)) for type_, content in said)
        }

    async def _said(self, user_nid: int, type_: str) -> JsonObject:
        stored = await self._account_data.content(ContentKey(user_nid, NO_ROOM, type_))
        content: JsonObject = {} if stored is None else decode_json(stored)
        return content


def _inviter(stripped: Sequence[msgspec.Raw]) -> str:
    """Who sent the newest of stripped events, which is the invitation."""
    return msgspec.json.decode(stripped[-1], type=_Sender).sender
