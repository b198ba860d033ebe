"""State that local users set: what the specification asks of their own server, beyond the rules of the room."""

from homeserver.http.requester import Requester
from homeserver.rooms.aliases import CANONICAL, Aliases
from homeserver.rooms.draft import Draft, Sent
from homeserver.rooms.send import EventSender


class StateSetter:
    """Sends state events on behalf of users."""

    def __init__(self, sender: EventSender, aliases: Aliases) -> None:
        self._sender = sender
        self._aliases = aliases

    async def set(self, requester: Requester, draft: Draft) -> Sent:
        """Raises what `EventSender.send` does, BadAlias, InvalidParam."""
        if (draft.type, draft.state_key) == (CANONICAL, ""):
            await self._aliases.check_canonical(draft.room_id, draft.content)
        return await self._sender.send(draft)
