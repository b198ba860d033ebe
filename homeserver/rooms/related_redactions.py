"""Redacting what relates to a redacted event (MSC3912)."""

import logging
from collections.abc import Sequence

from homeserver.protocol.errors import MatrixError
from homeserver.protocol.identifiers import EventID
from homeserver.rooms.draft import Draft
from homeserver.rooms.head import Heads
from homeserver.rooms.redactions import Redactor
from homeserver.rooms.store.relations import child_ids
from homeserver.storage.database import Database

log = logging.getLogger(__name__)

_ANY = "*"
_MOST = 1000
"""Events that one request redacts; who wants more asks again."""


class RelatedRedactions:
    """Redacts the children of an event as far as the user may."""

    def __init__(self, redactor: Redactor, heads: Heads, db: Database) -> None:
        self._redactor = redactor
        self._heads = heads
        self._db = db

    async def redact(
        self, draft: Draft, parent: EventID, rel_types: Sequence[str], *, own_only: bool = False
    ) -> None:
        """Sends a redaction like `draft`, which redacted `parent`, for each child of one of the types; "*" is any.

        What the user may not redact stays.
        """
        room = await self._heads.nid_of(draft.room_id)
        wanted = None if _ANY in rel_types else rel_types
        content = {key: value for key, value in draft.content.items() if key != "redacts"}
        for child in await self._db.read(child_ids, room, parent, wanted, _MOST):
            each = Draft(room_id=draft.room_id, type=draft.type, sender=draft.sender, content=dict(content))
            try:
                await self._redactor.redact(each, child, own_only=own_only)
            except MatrixError as error:
                log.info("the event %s, which relates to %s, stays: %s", child, parent, error)
