"""The projection that derives relations from events."""

from collections.abc import Iterable, Sequence

from homeserver.protocol.events import Event
from homeserver.protocol.relations import REPLACE, Relation, relation_of
from homeserver.rooms.appends import Accepted
from homeserver.rooms.redactions import redactions_among
from homeserver.rooms.store.relations import (
    RelationRow,
    delete_relations,
    delete_relations_in,
    insert_relations,
    relations_of_children,
    relations_of_redacted,
)
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic


class Relations:
    """Remembers what relates to what, as long as it is not redacted. It comes after `RedactionMarks`."""

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        rows = [_row(event, relation) for event in events if (relation := _relation(event.event)) is not None]
        if rows:
            insert_relations(txn, rows)
        # What is new here may have been redacted before it came.
        children = {row.child for row in rows}
        doubtful = {event.event.event_id for event in events if event.nid in children}
        doubtful.update(target for _, target in redactions_among(txn, events))
        if doubtful and (redacted := relations_of_redacted(txn, doubtful)):
            delete_relations(txn, redacted)

    def forget(self, txn: Transaction, events: Sequence[int]) -> None:
        """For events (short ids) whose content goes."""
        if rows := relations_of_children(txn, events):
            delete_relations(txn, rows)

    def forget_room(self, txn: Transaction, room: int) -> None:
        delete_relations_in(txn, room)

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """Nobody waits for it."""
        return ()


def _relation(event: Event) -> Relation | None:
    """The event's relation, if it may have one: state cannot replace, nor what has nothing to replace by.

    https://spec.matrix.org/v1.19/client-server-api/#validity-of-replacement-events
    """
    relation = relation_of(event.content)
    if relation is None or relation.rel_type != REPLACE:
        return relation
    # Of an encrypted event, only the clients know.
    has_content = event.type == "m.room.encrypted" or isinstance(event.content.get("m.new_content"), dict)
    return relation if has_content and not event.is_state else None


def _row(accepted: Accepted, relation: Relation) -> RelationRow:
    return RelationRow(
        child=accepted.nid,
        room=accepted.room,
        parent=relation.parent,
        rel_type=relation.rel_type,
        type=accepted.short_ids.type,
        sender=accepted.short_ids.sender,
        position=accepted.position,
        annotation=relation.key,
    )
