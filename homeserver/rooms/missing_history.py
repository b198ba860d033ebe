"""What rooms ask of other servers: the events before those that are here."""

from collections.abc import Collection
from typing import Protocol

from homeserver.protocol.identifiers import EventID, RoomID


class MissingHistory(Protocol):
    """Federation provides it."""

    async def fetch(self, room_id: RoomID, missing: Collection[EventID]) -> bool:
        """Tries to bring in the `missing` events and some before them; whether it is worth looking again.

        Takes a bounded time, after which it may go on. Never fails.
        """
