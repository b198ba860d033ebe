"""What somebody who is invited, or who knocked, is shown of a room.

https://spec.matrix.org/v1.19/client-server-api/#stripped-state
"""

from collections.abc import Sequence

import msgspec

from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import encode_json
from homeserver.protocol.stripped import STRIPPED_SLOTS
from homeserver.rooms.reading import state_events
from homeserver.rooms.state import members_at
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.store.members import MemberRow
from homeserver.rooms.store.spans import state_rows_of_slots
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.view import CURRENT
from homeserver.storage.engine import Transaction

_TYPES = [type_ for type_, _ in STRIPPED_SLOTS]


class _Stripped(msgspec.Struct):
    type: str
    sender: str
    state_key: str
    content: msgspec.Raw


_decode = msgspec.json.Decoder(_Stripped).decode


def stripped_state(txn: Transaction, member: MemberRow) -> Sequence[msgspec.Raw]:
    """The room's stripped state, with the member events of the user and of who sent that one."""
    (own,) = state_events(txn, events_by_nid(txn, [member.event]))
    inviters = [own.key.sender] if own.key.sender != own.key.state_key else []
    return [*stripped_room(txn, member.room, inviters), stripped_event(own.client)]


def stripped_room(txn: Transaction, room: int, inviters: Sequence[UserID]) -> list[msgspec.Raw]:
    """The room's stripped state, with the member events of those who invite."""
    events = state_events(txn, state_rows_of_slots(txn, room, CURRENT, _TYPES, [""]))
    if inviters:
        events += members_at(txn, room, CURRENT, inviters)
    return [stripped_event(event.client) for event in events]


def stripped_event(client: bytes) -> msgspec.Raw:
    """Of a state event as JSON for clients."""
    return msgspec.Raw(encode_json(_decode(client)))


class _Dated(_Stripped):
    origin_server_ts: int


_decode_dated = msgspec.json.Decoder(_Dated).decode


def dated_stripped_event(event: TimelineEvent) -> msgspec.Raw:
    """A stripped event with its time, as the children of spaces are shown."""
    return msgspec.Raw(encode_json(_decode_dated(event.client)))
