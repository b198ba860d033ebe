"""What happened between two positions, as a service is shown it."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from appservices.registration import AppService
from appservices.store.list_changes import changed_users
from appservices.store.messages import OutgoingMessage, outgoing_messages
from appservices.store.outbox import ELSEWHERE, outgoing
from appservices.store.rooms import entered_rooms
from homeserver.e2ee.key_stock import stocks_of
from homeserver.e2ee.store.device_keys import local_devices
from homeserver.e2ee.store.device_lists import joined_users
from homeserver.ephemeral.edus import edus_by_room
from homeserver.ephemeral.store import READ_PRIVATE, receipt_changes
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, JsonValue, decode_json, encode_json
from homeserver.rooms.reading import timeline_events
from homeserver.rooms.store.elsewhere import elsewhere_at
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.store.heads import room_ids_of
from homeserver.rooms.stripped import stripped_room
from homeserver.rooms.timeline_event import TimelineEvent, Viewer, event_key, show
from homeserver.storage.engine import Transaction


class Interval(NamedTuple):
    """What has a position with after < position <= upto."""

    after: int
    upto: int


class KeyNews(NamedTuple):
    """MSC3202: `lists` as in /sync; the others by user and device."""

    lists: JsonObject
    counts: JsonObject
    unused_fallback: JsonObject


def events(txn: Transaction, service: AppService, interval: Interval, now_ms: int) -> Sequence[JsonValue]:
    """In order; of a membership elsewhere that is another by now nothing is told."""
    viewer = Viewer(None, now_ms)
    rows = outgoing(txn, service.id, interval.upto)
    here = _here(txn, service, [event for _, event in rows if event != ELSEWHERE], viewer)
    elsewhere = _elsewhere(txn, [position for position, event in rows if event == ELSEWHERE], viewer)
    shown = (elsewhere.get(position) if event == ELSEWHERE else here.get(event) for position, event in rows)
    return [event for event in shown if event is not None]


def _here(
    txn: Transaction, service: AppService, nids: Sequence[int], viewer: Viewer
) -> dict[int, msgspec.Raw]:
    """By short id."""
    found = timeline_events(txn, events_by_nid(txn, nids))
    room_ids = room_ids_of(txn, {one.room for one in found})
    return {
        event.nid: show(event, viewer, room_id=room_ids[event.room], more=_stripped(txn, service, event))
        for event in found
    }


def _stripped(txn: Transaction, service: AppService, event: TimelineEvent) -> bytes:
    """COMPAT(synapse): with an invitation of one of its users the service is told what the room is."""
    user_id = event.key.state_key
    is_invite = event.type == "m.room.member" and event.content.get("membership") == "invite"
    if not is_invite or user_id is None or not service.may_be(user_id):
        return b""
    return b',"invite_room_state":' + encode_json(stripped_room(txn, event.room, [event.key.sender]))


def _elsewhere(txn: Transaction, positions: Sequence[int], viewer: Viewer) -> dict[int, msgspec.Raw]:
    """By position."""
    shown: dict[int, msgspec.Raw] = {}
    for row in elsewhere_at(txn, positions):
        event = TimelineEvent(
            room=0,
            nid=ELSEWHERE,
            position=row.position,
            client=row.event,
            key=event_key(row.event),
            origin_server_ts=decode_json(row.event)["origin_server_ts"],
            state_before=0,
            state_after=0,
        )
        stripped = b',"%b_room_state":%b' % (row.membership.encode(), row.stripped)
        more = b"" if row.membership == "leave" else stripped
        shown[row.position] = show(event, viewer, room_id=row.room_id, more=more)
    return shown


def receipts(
    txn: Transaction, service: AppService, interval: Interval, rooms: Sequence[int]
) -> list[JsonObject]:
    """Those in the rooms (short ids); private ones of the service's users only."""
    if not rooms:
        return []
    changes = receipt_changes(txn, rooms, interval.after, interval.upto)
    shown = edus_by_room(one for one in changes if one.type != READ_PRIVATE or service.may_be(one.user_id))
    room_ids = room_ids_of(txn, shown.keys())
    return [{"room_id": room_ids[room], **edu} for room, edu in shown.items()]


def messages(txn: Transaction, service: AppService, interval: Interval) -> list[OutgoingMessage]:
    return outgoing_messages(txn, service.id, interval.upto)


def key_news(
    txn: Transaction, service: AppService, interval: Interval, recipients: Collection[UserID]
) -> KeyNews:
    """Keys are counted of those who get messages, as these are how they are used up, and of the service's own user."""
    devices = local_devices(txn, sorted({service.sender, *recipients}))
    stocks = stocks_of(txn, [device.nid for device in devices])
    counts: JsonObject = {}
    unused: JsonObject = {}
    for device in devices:
        stock = stocks[device.nid]
        counts.setdefault(device.user_id, {})[device.device_id] = {"signed_curve25519": 0, **stock.counts}
        unused.setdefault(device.user_id, {})[device.device_id] = stock.unused_fallback
    return KeyNews(_lists(txn, service, interval), counts, unused)


def _lists(txn: Transaction, service: AppService, interval: Interval) -> JsonObject:
    changed: set[UserID] = set()
    left: set[UserID] = set()
    for user_id, is_seen in changed_users(txn, service.id, interval.upto):
        (changed if is_seen or service.may_be(user_id) else left).add(user_id)
    # Of whoever is in a room that is new to the service, changes may have been missed.
    entered = entered_rooms(txn, service.id, interval.after, interval.upto)
    if entered:
        members = joined_users(txn, entered, -1).values()
        changed.update(user_id for user_id in members if not service.may_be(user_id))
    return {"changed": sorted(changed), "left": sorted(left)} if changed or left else {}
