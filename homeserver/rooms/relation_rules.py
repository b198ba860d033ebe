"""What users may not send because of what it relates to.

https://spec.matrix.org/v1.19/client-server-api/#validation-of-mthread-relationships and
https://spec.matrix.org/v1.19/client-server-api/#avoiding-duplicate-annotations
"""

from homeserver.protocol.errors import DuplicateAnnotation, Unknown
from homeserver.protocol.identifiers import EventID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.relations import ANNOTATION, LONGEST_KEY, THREAD, Relation, relation_of
from homeserver.rooms.draft import Draft
from homeserver.rooms.store.relations import has_annotated, has_relation
from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary


class RelationRules:
    """Holds for what comes from this server's users, and needs no look at what relates to nothing."""

    def __init__(self, db: Database, users: Dictionary[UserID]) -> None:
        self._db = db
        self._users = users

    async def check(self, draft: Draft) -> None:
        """Raises DuplicateAnnotation, Unknown."""
        relation = relation_of(draft.content)
        if relation is None:
            return
        if relation.rel_type == THREAD:
            await self._check_root(relation.parent)
        elif relation.rel_type == ANNOTATION:
            if _is_too_long(draft.content):
                raise Unknown(f"The key of an annotation has at most {LONGEST_KEY} characters")
            await self._check_annotation(draft, relation)

    async def _check_root(self, root: EventID) -> None:
        if await self._db.read(has_relation, root):
            raise Unknown("A thread cannot begin with an event that relates to another one")

    async def _check_annotation(self, draft: Draft, relation: Relation) -> None:
        sender = await self._users.find(draft.sender)
        if sender is None or relation.key is None:
            return
        if await self._db.read(has_annotated, relation.parent, sender, draft.type, relation.key):
            raise DuplicateAnnotation("You have annotated the event so already")


def _is_too_long(content: JsonObject) -> bool:
    key = content["m.relates_to"].get("key")
    return isinstance(key, str) and len(key) > LONGEST_KEY
