"""What is in spaces: the projection that writes room_space_child.

https://spec.matrix.org/v1.19/client-server-api/#mspacechild
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import ROOM_ID, RoomID
from homeserver.protocol.json import JsonObject
from homeserver.rooms.appends import Accepted
from homeserver.rooms.redactions import redactions_among
from homeserver.rooms.store.events import event_nids
from homeserver.rooms.store.hierarchy import (
    ChildRow,
    children_by_redacted,
    delete_all_children,
    delete_children,
    upsert_children,
)
from homeserver.rooms.store.spans import slot_names
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

_TYPE = "m.space.child"
_ORDER = re.compile(r"[\x20-\x7e]{1,50}")


class SpaceChildren:
    """Follows the `m.space.child` events in current state."""

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        children = {(room, event.slot[1]): event for room, event in _changed(events)}
        if children:
            nids = event_nids(txn, [event.event_id for event in children.values()])
            valid = {key: event for key, event in children.items() if _is_valid(event)}
            upsert_children(
                txn, [_row(room, event, nids[event.event_id]) for (room, _), event in valid.items()]
            )
            delete_children(txn, children.keys() - valid.keys())
        emptied = _emptied_slots(events)
        if emptied:
            names = slot_names(txn, {slot for _, slot in emptied})
            delete_children(
                txn, {(room, names[slot][1]) for room, slot in emptied if names[slot][0] == _TYPE}
            )
        redacted = [target for _, target in redactions_among(txn, events)]
        if redacted:
            delete_children(txn, children_by_redacted(txn, redacted))

    def forget_room(self, txn: Transaction, room: int) -> None:
        delete_all_children(txn, room)

    def projected(self, _: Sequence[Accepted]) -> Iterable[Topic]:
        return ()


def _changed(events: Sequence[Accepted]) -> Iterator[tuple[int, Event]]:
    for accepted in events:
        for change in accepted.changes:
            if change.event is not None and change.event.type == _TYPE:
                yield accepted.room, change.event


def _emptied_slots(events: Sequence[Accepted]) -> set[tuple[int, int]]:
    return {
        (accepted.room, change.slot)
        for accepted in events
        for change in accepted.changes
        if change.event is None
    }


def _is_valid(event: Event) -> bool:
    via = event.content.get("via")
    return isinstance(via, list) and bool(via) and ROOM_ID.fullmatch(event.slot[1]) is not None


def order_of(content: JsonObject) -> str | None:
    """What a room in a space is sorted by, None where it is not valid."""
    order = content.get("order")
    return order if isinstance(order, str) and _ORDER.fullmatch(order) else None


def _row(room: int, event: Event, nid: int) -> ChildRow:
    return ChildRow(
        room=room,
        child_id=RoomID(event.slot[1]),
        event=nid,
        sort_key=order_of(event.content),
        origin_server_ts=event.origin_server_ts,
        suggested=event.content.get("suggested") is True,
    )
