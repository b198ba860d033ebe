"""Tying the branches of a room together, where nobody here says anything that would follow them all.

As long as branches stay apart, each event resolves them again, and servers that do not know all of them disagree.
"""

import logging

from homeserver.protocol.errors import MatrixError
from homeserver.protocol.identifiers import RoomID
from homeserver.rooms.draft import Draft
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.send import EventSender
from homeserver.rooms.store.inhabitants import inhabitants
from homeserver.storage.database import Database

log = logging.getLogger(__name__)

DUMMY = "org.matrix.dummy_event"
"""What other servers send for the same end, so that clients know it as nothing to show."""
MOST_BRANCHES = 10
_MOST_ASKED = 10


class BranchTying:
    """Knows only rooms that got branches since this process started; the next event of another room tells of it."""

    def __init__(self, sender: EventSender, heads: Heads, db: Database) -> None:
        self._sender = sender
        self._heads = heads
        self._db = db
        self._noted: set[RoomID] = set()

    def note(self, head: Head) -> None:
        """To be told of rooms that got an event of another server."""
        if len(head.extremities) > MOST_BRANCHES:
            self._noted.add(head.room_id)

    async def tie(self) -> None:
        """For a task: who has talked meanwhile has tied their room already."""
        while self._noted:
            room_id = self._noted.pop()
            head = await self._heads.get(room_id)
            if len(head.extremities) > MOST_BRANCHES:
                await self._tie(head)

    async def _tie(self, head: Head) -> None:
        for user_id in await self._db.read(inhabitants, head.nid, _MOST_ASKED):
            try:
                await self._sender.send(Draft(room_id=head.room_id, type=DUMMY, sender=user_id, content={}))
            except MatrixError as error:
                log.info("%s may not tie the branches of %s: %s", user_id, head.room_id, error)
            else:
                return
