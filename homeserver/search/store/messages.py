"""Table search_message: the words of events that can be searched for."""

from collections.abc import Collection, Sequence

from homeserver.protocol.identifiers import EventID
from homeserver.storage.engine import Transaction


def insert_messages(txn: Transaction, words: Sequence[tuple[int, str]]) -> None:
    """Each is (the event's short id, its words)."""
    txn.execute_many(
        "INSERT INTO search_message (event, words) VALUES (%(event)s, %(words)s)",
        [{"event": event, "words": text} for event, text in words],
    )


def delete_redacted(txn: Transaction, event_ids: Collection[EventID]) -> None:
    """Forgets those of the events that are redacted."""
    txn.execute(
        """
        DELETE FROM search_message WHERE event IN (
            SELECT nid FROM room_event WHERE event_id IN %(event_ids)s AND redacted_by IS NOT NULL
        )
        """,
        event_ids=list(event_ids),
    )


def delete_messages(txn: Transaction, events: Collection[int]) -> None:
    """Forgets events by their short ids."""
    txn.execute("DELETE FROM search_message WHERE event IN %(events)s", events=list(events))


def delete_messages_in(txn: Transaction, room: int) -> None:
    """Forgets all events of a room."""
    txn.execute(
        "DELETE FROM search_message WHERE event IN (SELECT nid FROM room_event WHERE room = %(room)s)",
        room=room,
    )
