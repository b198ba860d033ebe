"""How an event relates to an earlier one.

https://spec.matrix.org/v1.19/client-server-api/#forming-relationships-between-events
"""

from typing import NamedTuple, TypeGuard

from homeserver.protocol.identifiers import EventID
from homeserver.protocol.json import JsonObject

ANNOTATION, REFERENCE, REPLACE, THREAD = "m.annotation", "m.reference", "m.replace", "m.thread"

LONGEST_KEY = 500
"""Characters of an annotation's key; what is longer is not told apart."""
_LONGEST_NAME = 255


class Relation(NamedTuple):
    """The parent that an event names and what it is to it; `key` is that of an annotation."""

    rel_type: str
    parent: EventID
    key: str | None = None


def relation_of(content: JsonObject) -> Relation | None:
    """None where the content names no relation, or none that an event could have."""
    relates_to = content.get("m.relates_to")
    if not isinstance(relates_to, dict):
        return None
    rel_type, parent = relates_to.get("rel_type"), relates_to.get("event_id")
    if not _is_name(rel_type) or not _is_name(parent):
        return None
    key = relates_to.get("key") if rel_type == ANNOTATION else None
    is_key = isinstance(key, str) and len(key) <= LONGEST_KEY and "\0" not in key
    return Relation(rel_type, EventID(parent), key if is_key else None)


def _is_name(value: object) -> TypeGuard[str]:
    """Whether it is text of a length that an identifier may have, which every database can hold."""
    return isinstance(value, str) and 0 < len(value.encode()) <= _LONGEST_NAME and "\0" not in value
