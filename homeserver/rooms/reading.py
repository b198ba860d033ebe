"""From rows to events that can be shown: redactions applied, replaced state looked up."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import decode_json, encode_json
from homeserver.protocol.redaction import redact
from homeserver.protocol.room_versions import RoomVersion, room_version
from homeserver.rooms.store.events import TimelineRow, events_by_nid
from homeserver.rooms.store.heads import heads_by_nid
from homeserver.rooms.store.transactions import transaction_ids
from homeserver.rooms.timeline_event import TimelineEvent, as_replaced, event_key
from homeserver.storage.engine import Transaction


class Asker(Protocol):
    """For whom events are read: a user on a device, who is told by what transaction IDs it made them."""

    @property
    def user_id(self) -> UserID: ...

    @property
    def device_nid(self) -> int | None: ...


def timeline_events(
    txn: Transaction, rows: Sequence[TimelineRow], asker: Asker | None = None
) -> list[TimelineEvent]:
    """The rows' events, in the same order."""
    events = _events(txn, rows, {row.replaces for row in rows if row.replaces is not None})
    if asker is not None and asker.device_nid is not None:
        _add_transactions(txn, events, asker.user_id, asker.device_nid)
    return events


def page_events(
    txn: Transaction, rows: Sequence[TimelineRow], transactions: Mapping[int, str], device: int | None
) -> list[TimelineEvent]:
    """The same, where the transaction IDs by which `device` made some of them are known already, by short ids."""
    events = timeline_events(txn, rows)
    for event in events if device is not None and transactions else ():
        txn_id = transactions.get(event.nid)
        if txn_id is not None and device is not None:
            event.transaction = (device, txn_id)
    return events


def state_events(txn: Transaction, rows: Sequence[TimelineRow]) -> list[TimelineEvent]:
    """The rows' events as they are shown where a state is told: without what each of them replaced."""
    return _events(txn, rows, set())


def _events(txn: Transaction, rows: Sequence[TimelineRow], replaced: set[int]) -> list[TimelineEvent]:
    others = _others(txn, rows, replaced)
    versions = _versions(txn, [*rows, *others.values()])
    others_pruned = {nid: _client(row, versions) for nid, row in others.items()}
    return [_event(row, _client(row, versions), others_pruned) for row in rows]


def pruned_client(client: bytes, version: RoomVersion) -> bytes:
    """The client JSON of an event after its redaction."""
    event = redact(decode_json(client), version)
    if event["type"] == "m.room.redaction" and "redacts" in event["content"]:
        # Clients look for it in both places, whichever is the room's.
        event["redacts"] = event["content"]["redacts"]
    return encode_json(event)


def pruned(event: TimelineEvent, version: RoomVersion) -> TimelineEvent:
    """The event as it would be after its redaction."""
    return msgspec.structs.replace(event, client=pruned_client(event.client, version))


def _others(txn: Transaction, rows: Sequence[TimelineRow], replaced: set[int]) -> Mapping[int, TimelineRow]:
    """The events that `rows` were redacted by, and those that were replaced."""
    wanted = replaced | {row.redacted_by for row in rows if row.redacted_by is not None}
    return {row.nid: row for row in events_by_nid(txn, list(wanted))} if wanted else {}


def _versions(txn: Transaction, rows: Sequence[TimelineRow]) -> Mapping[int, RoomVersion]:
    rooms = {row.room for row in rows if row.redacted_by is not None}
    if not rooms:
        return {}
    return {nid: room_version(head.version) for nid, head in heads_by_nid(txn, list(rooms)).items()}


def _client(row: TimelineRow, versions: Mapping[int, RoomVersion]) -> bytes:
    return row.client if row.redacted_by is None else pruned_client(row.client, versions[row.room])


def _event(row: TimelineRow, client: bytes, others: Mapping[int, bytes]) -> TimelineEvent:
    """`others` is the client JSON of the events that it replaces or was redacted by, where those are told."""
    replaced = None if row.replaces is None else others.get(row.replaces)
    return TimelineEvent(
        room=row.room,
        nid=row.nid,
        position=row.position,
        client=client,
        key=event_key(row.client),
        origin_server_ts=row.origin_server_ts,
        state_before=row.state_before,
        state_after=row.state_after,
        on_fork=bool(row.on_fork),
        replaced=None if replaced is None else as_replaced(replaced),
        redacted_because=None if row.redacted_by is None else others.get(row.redacted_by),
    )


def _add_transactions(
    txn: Transaction, events: Sequence[TimelineEvent], user_id: UserID, device: int
) -> None:
    own = [event for event in events if event.key.sender == user_id]
    if not own:
        return
    made = transaction_ids(txn, device, [event.key.event_id for event in own])
    for event in own:
        txn_id = made.get(event.key.event_id)
        if txn_id is not None:
            event.transaction = (device, txn_id)
