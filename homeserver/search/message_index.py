"""The projection that keeps the words of messages, names and topics."""

from collections.abc import Iterable, Sequence
from enum import Enum

from homeserver.protocol.json import JsonObject
from homeserver.protocol.relations import REPLACE, relation_of
from homeserver.rooms.appends import Accepted
from homeserver.rooms.redactions import redactions_among
from homeserver.search.message_words import words_of_message
from homeserver.search.store.messages import (
    delete_messages,
    delete_messages_in,
    delete_redacted,
    insert_messages,
)
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic


class Key(Enum):
    """What of an event is searched. A colon keeps its mark apart from all words of people."""

    BODY = "k:body"
    NAME = "k:name"
    TOPIC = "k:topic"


_KEYS = {
    "m.room.message": (Key.BODY, "body"),
    "m.room.name": (Key.NAME, "name"),
    "m.room.topic": (Key.TOPIC, "topic"),
}


class MessageIndex:
    """Knows what can be read by the server, as long as it is not redacted."""

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        indexed = [(event.nid, words) for event in events if (words := _words(event))]
        if indexed:
            insert_messages(txn, indexed)
        # What is new here may have been redacted before it came.
        nids = {nid for nid, _ in indexed}
        doubtful = {event.event.event_id for event in events if event.is_late and event.nid in nids}
        doubtful.update(target for _, target in redactions_among(txn, events))
        if doubtful:
            delete_redacted(txn, doubtful)

    def forget_room(self, txn: Transaction, room: int) -> None:
        delete_messages_in(txn, room)

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """Nobody waits for it."""
        return ()

    def forget(self, txn: Transaction, events: Sequence[int]) -> None:
        """For events (short ids) whose content goes."""
        delete_messages(txn, events)


def searched_text(type_: str, content: JsonObject) -> tuple[Key, str] | None:
    """The text of an event by which it is found; of an edit, the text that is new."""
    if type_ not in _KEYS:
        return None
    key, name = _KEYS[type_]
    relation = relation_of(content)
    new = content.get("m.new_content")
    if relation is not None and relation.rel_type == REPLACE and isinstance(new, dict):
        content = new
    text = content.get(name)
    return (key, text) if isinstance(text, str) else None


def room_mark(room: int) -> str:
    return f"r:{room}"


def sender_mark(sender: int) -> str:
    return f"s:{sender}"


def _words(accepted: Accepted) -> str:
    searched = searched_text(accepted.event.type, accepted.event.content)
    if searched is None:
        return ""
    key, text = searched
    words = dict.fromkeys(words_of_message(text))
    if not words:
        return ""
    return " ".join((room_mark(accepted.room), sender_mark(accepted.short_ids.sender), key.value, *words))
