"""Which files were shared in a room."""

import re
from collections.abc import AsyncIterator

from homeserver.rooms.store.events import events_forwards
from homeserver.storage.database import Database

_AT_ONCE = 500
_FIRST, _LAST = -(2**62), 2**62
# Wherever in an event: clients put them in ever new places. JSON has no other way to write these characters here.
_URI = re.compile(rb"mxc://[^\s/\"\\]+/[A-Za-z0-9_-]+")


class SharedFiles:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def of(self, room: int) -> AsyncIterator[set[str]]:
        """The mxc:// URIs in all events of a room that can be read here, some at a time."""
        after = _FIRST
        while events := await self._db.read(events_forwards, room, after, _LAST, _AT_ONCE):
            after = events[-1].position
            yield {uri.decode("ascii", "ignore") for event in events for uri in _URI.findall(event.client)}
