"""State that local users set: what the specification asks of their own server, beyond the rules of the room."""

from homeserver.http.requester import Requester
from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.identifiers import parse_user_id
from homeserver.rooms.aliases import CANONICAL, Aliases
from homeserver.rooms.draft import Draft, Sent
from homeserver.rooms.membership import MembershipChanges
from homeserver.rooms.send import EventSender


class StateSetter:
    """Sends state events on behalf of users."""

    def __init__(self, sender: EventSender, changes: MembershipChanges, aliases: Aliases) -> None:
        self._sender = sender
        self._changes = changes
        self._aliases = aliases

    async def set(self, requester: Requester, draft: Draft) -> Sent:
        """Raises what `EventSender.send` and `MembershipChanges.set` do, BadAlias, InvalidParam."""
        if draft.type == "m.room.member" and draft.state_key is not None:
            return await self._changes.set(
                draft.sender,
                draft.room_id,
                parse_user_id(draft.state_key),
                draft.content,
                is_guest=requester.is_guest,
            )
        if draft.type == "m.room.create":
            raise InvalidParam("A room is created only once")
        if (draft.type, draft.state_key) == (CANONICAL, ""):
            await self._aliases.check_canonical(draft.room_id, draft.content)
        return await self._sender.send(draft)
