"""An event as clients are shown it: its stored JSON with `unsigned` spliced in for one viewer."""

from typing import Any

import msgspec

from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.protocol.json import JsonObject, encode_json


class EventKey(msgspec.Struct, frozen=True):
    """What decides how an event is filtered and shown, read from its client JSON without the rest."""

    type: str
    sender: UserID
    event_id: EventID
    state_key: str | None = None


class _Content(msgspec.Struct):
    content: JsonObject


class Replaced(msgspec.Struct, frozen=True):
    """The state event that another took the place of."""

    event_id: EventID
    sender: UserID
    content: msgspec.Raw


class TimelineEvent(msgspec.Struct):
    """One event of a room's timeline, shared by all who are shown it.

    `client` is already pruned where the event is redacted; `redacted_because` is then the redaction as client
    JSON. The numbers of the room's state line are where the event found and left it; the states at an event that is
    `on_fork` are others. `transaction` is (device's short id, transaction ID) of the request that made it, while
    remembered.
    """

    room: int
    nid: int
    position: int
    client: bytes
    key: EventKey
    origin_server_ts: int
    state_before: int
    state_after: int
    on_fork: bool = False
    replaced: Replaced | None = None
    redacted_because: bytes | None = None
    transaction: tuple[int, str] | None = None

    @property
    def is_state(self) -> bool:
        return self.key.state_key is not None

    @property
    def type(self) -> str:
        return self.key.type

    @property
    def sender(self) -> str:
        return self.key.sender

    @property
    def content(self) -> JsonObject:
        """Decoded anew each time: most readers only pass the bytes on."""
        return _decode_content(self.client).content

    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return len(self.client) + (len(self.redacted_because) if self.redacted_because else 0) + 700


_decode_key = msgspec.json.Decoder(EventKey).decode
_decode_content = msgspec.json.Decoder(_Content).decode


def event_key(client: bytes) -> EventKey:
    """Reads the key from client JSON, which is not decoded otherwise."""
    return _decode_key(client)


class Viewer(msgspec.Struct, frozen=True):
    """For whom events are shown: `membership` of the user at the event goes into `unsigned` (MSC4115)."""

    device: int | None
    now_ms: int


def show(
    event: TimelineEvent,
    viewer: Viewer,
    membership: str | None = None,
    room_id: RoomID | None = None,
    relations: bytes | None = None,
    more: bytes = b"",
) -> msgspec.Raw:
    """The event's JSON for one viewer; with `room_id` for answers that are not grouped by room.

    `relations` is the JSON of its bundled aggregations, `more` that of further members of `unsigned`, each after a
    comma.

    https://spec.matrix.org/v1.19/client-server-api/#definition-clientevent
    """
    room = b"" if room_id is None else b',"room_id":' + encode_json(room_id)
    # The clock of its server may be ahead of ours.
    unsigned = b'"age":%d' % max(0, viewer.now_ms - event.origin_server_ts)
    if membership is not None:
        unsigned += b',"membership":"%b"' % membership.encode()
    if event.transaction is not None and event.transaction[0] == viewer.device:
        unsigned += b',"transaction_id":' + encode_json(event.transaction[1])
    if event.replaced is not None:
        unsigned += _replaced(event.replaced)
    if relations is not None:
        unsigned += b',"m.relations":' + relations
    if event.redacted_because is not None:
        unsigned += b',"redacted_because":' + event.redacted_because[:-1] + room + b"}"
    return msgspec.Raw(event.client[:-1] + room + b',"unsigned":{' + unsigned + more + b"}}")


def _replaced(replaced: Replaced) -> bytes:
    return b',"replaces_state":%b,"prev_sender":%b,"prev_content":%b' % (
        encode_json(replaced.event_id),
        encode_json(replaced.sender),
        bytes(replaced.content),
    )


class _Replaceable(msgspec.Struct):
    event_id: EventID
    sender: UserID
    content: msgspec.Raw


def as_replaced(client: bytes) -> Replaced:
    """What `unsigned` says of a replaced event, from its client JSON."""
    parsed: Any = msgspec.json.decode(client, type=_Replaceable)
    return Replaced(parsed.event_id, parsed.sender, parsed.content.copy())
