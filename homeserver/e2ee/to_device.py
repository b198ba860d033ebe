"""Messages from device to device, kept until the device has them.

https://spec.matrix.org/v1.19/client-server-api/#send-to-device-messaging
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec

from homeserver.accounts.domains import LocalDomains
from homeserver.e2ee.inboxes import Inboxes
from homeserver.e2ee.remote import OtherServers
from homeserver.e2ee.store.device_keys import LocalDevice, local_devices
from homeserver.e2ee.store.to_device import (
    WaitingMessage,
    delete_messages_up_to,
    delete_requests_before,
    has_messages_up_to,
    insert_messages,
    insert_requests,
    requests_made,
    waiting_messages,
)
from homeserver.http.requester import Requester
from homeserver.protocol.errors import BadJson, InvalidParam, TooLarge
from homeserver.protocol.identifiers import MAX_IDENTIFIER_BYTES, UserID, exceeds_bytes
from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal, Placed, Topic
from homeserver.streams.last_changed import LastChanged

LARGEST_BATCH = 100
"""Messages in one answer."""
ALL_DEVICES = "*"
_LARGEST_MESSAGE = 65_536  # bytes, of an EDU between servers
_REQUESTS_KEPT_MS = 24 * 3600 * 1000
_DEVICES_REMEMBERED = 100_000

Messages = Mapping[UserID, Mapping[str, msgspec.Raw]]
"""Contents by user and device ID."""


class _Letter(NamedTuple):
    device_nid: int
    user_id: UserID
    content: bytes


class Addressed(NamedTuple):
    """A message to a device of a local user, stored at a position."""

    user_id: UserID
    device_nid: int
    position: int


class MessageListener(Protocol):
    """Who brings messages to devices that do not ask for them. Implemented by appservices."""

    def sent(self, txn: Transaction, messages: Sequence[Addressed]) -> None:
        """In the transaction that stores them, and perhaps twice."""

    def stored(self, messages: Sequence[Addressed]) -> None:
        """After the commit, in the reactor's thread."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """`request` identifies what must not be done twice; '' where it may be."""

    request: str
    sender: UserID
    type: str
    letters: Sequence[_Letter]


class _AlreadySent(Exception):
    """The request was made before."""


class _Sendings:
    """How messages are stored (an EntryKind): a batch of them in one statement. One position for each request."""

    def __init__(self, clock: Clock, inboxes: Inboxes, listener: MessageListener) -> None:
        self._clock = clock
        self._inboxes = inboxes
        self._listener = listener
        self.changed: LastChanged[int] = LastChanged()

    def count(self, entry: _Entry) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[_Entry]]) -> None:
        made = requests_made(txn, [placed.entry.request for placed in batch if placed.entry.request])
        new: list[str] = []
        rows: list[WaitingMessage] = []
        addressed: list[Addressed] = []
        for placed in batch:
            entry = placed.entry
            if entry.request in made:
                placed.refused = _AlreadySent()
                continue
            if entry.request:
                made.add(entry.request)
                new.append(entry.request)
            rows += _messages(placed)
            addressed += _addressed(placed)
        insert_messages(txn, rows)
        self._listener.sent(txn, addressed)
        insert_requests(txn, new, self._clock.now_ms())

    def stored(self, batch: Sequence[Placed[_Entry]]) -> Iterable[Topic]:
        topics: set[Topic] = set()
        for placed in batch:
            for message in _messages(placed):
                self._inboxes.add(message)
                self.changed.record(message.device_nid, message.position)
                topics.add(("device", message.device_nid))
            self._listener.stored(_addressed(placed))
        return topics


def _messages(placed: Placed[_Entry]) -> list[WaitingMessage]:
    entry = placed.entry
    return [
        WaitingMessage(letter.device_nid, placed.position, entry.sender, entry.type, letter.content)
        for letter in entry.letters
    ]


def _addressed(placed: Placed[_Entry]) -> list[Addressed]:
    return [Addressed(one.user_id, one.device_nid, placed.position) for one in placed.entry.letters]


class Delivery(NamedTuple):
    """The events for one answer; `upto` is the position up to which the device then has everything."""

    events: list[JsonObject]
    upto: int
    has_more: bool


class ToDevice:
    """Sends and delivers messages. One that is sent wakes the topic ("device", short id)."""

    def __init__(
        self,
        db: Database,
        journal: Journal,
        domains: LocalDomains,
        others: OtherServers,
        listener: MessageListener,
        clock: Clock,
        budget: int,
    ) -> None:
        """`budget` is in bytes."""
        self._db = db
        self._journal = journal
        self._domains = domains
        self._others = others
        self._clock = clock
        self._inboxes = Inboxes(budget)
        self._sendings = _Sendings(clock, self._inboxes, listener)
        # By device, the position of the last message that was handed out and not deleted yet; 0 for none. Of
        # devices that are not here nothing is known.
        self._handed_out: OrderedDict[int, int] = OrderedDict()
        self._received: dict[int, int] = {}

    def start_at(self, position: int) -> None:
        """Called once the journal has started: messages up to `position` are only in the database."""
        self._sendings.changed.start_at(position)
        self._handed_out.clear()
        self._inboxes.clear()

    def waits_after(self, device_nid: int, position: int) -> bool:
        """Whether messages after `position` may wait for the device, or such as it has had."""
        return device_nid not in self._handed_out or self._sendings.changed.after(device_nid, position)

    async def send(self, requester: Requester, type_: str, txn_id: str, messages: Messages) -> None:
        """Does so once for each transaction ID. Unknown devices are passed over.

        Raises InvalidParam, BadJson, TooLarge.
        """
        _check(type_, messages)
        request = _request(requester, type_, txn_id)
        local = {user: contents for user, contents in messages.items() if self._domains.is_local(user)}
        await self.deliver(requester.user_id, type_, local, request)
        remote = {
            user: {device: decode_json(bytes(content)) for device, content in contents.items()}
            for user, contents in messages.items()
            if user not in local
        }
        if remote:
            await self._others.send_to_devices(requester.user_id, type_, request, remote)

    async def deliver(self, sender: UserID, type_: str, messages: Messages, request: str) -> None:
        """Puts messages into the queues of local devices, unless that was done for this request before."""
        devices = await self._db.read(local_devices, list(messages))
        entry = _Entry(request, sender, type_, _letters(messages, devices))
        try:
            await self._journal.append(self._sendings, entry)
        except _AlreadySent:
            # Its answer was lost; it is told again that it succeeded.
            return

    def remembered(self, device_nid: int, after: int, upto: int) -> Delivery | None:
        """The messages at after < position <= upto, if it is certain that memory has them all."""
        if device_nid not in self._handed_out:
            return None
        messages = self._inboxes.after(device_nid, after, upto)
        return None if messages is None else _delivery(messages, upto, LARGEST_BATCH)

    def received(self, device_nid: int, upto: int) -> None:
        """The client has every message up to a position: they are deleted."""
        handed_out = self._handed_out.get(device_nid, 0)
        if handed_out == 0:
            return
        if upto >= handed_out:
            self._handed_out[device_nid] = 0
        self.delete(device_nid, upto)

    def delete(self, device_nid: int, upto: int) -> None:
        """Deletes messages up to a position, soon. Until then the client's token says what it has."""
        self._inboxes.discard_up_to(device_nid, upto)
        self._received[device_nid] = max(upto, self._received.get(device_nid, 0))

    async def delete_received(self) -> None:
        """For a task that runs every second: of all devices together."""
        received, self._received = self._received, {}
        if received:
            await self._db.write(delete_messages_up_to, received)

    def handed_out(self, device_nid: int, upto: int) -> None:
        """An answer with messages up to a position is on its way to the client; 0 where it has none."""
        self._handed_out[device_nid] = max(upto, self._handed_out.get(device_nid, 0))
        self._handed_out.move_to_end(device_nid)
        if len(self._handed_out) > _DEVICES_REMEMBERED:
            self._handed_out.popitem(last=False)

    async def forget_requests(self) -> None:
        """For an hourly task."""
        await self._db.write(delete_requests_before, self._clock.now_ms() - _REQUESTS_KEPT_MS)


def read_messages(
    txn: Transaction, device_nid: int, after: int, upto: int, limit: int = LARGEST_BATCH
) -> Delivery:
    """The oldest messages of a device at after < position <= upto."""
    rows = waiting_messages(txn, device_nid, after, upto, limit + 1)
    return _delivery(rows, upto, limit)


def _delivery(messages: Sequence[WaitingMessage], upto: int, limit: int) -> Delivery:
    events: list[JsonObject] = [
        {"sender": message.sender, "type": message.type, "content": msgspec.Raw(message.content)}
        for message in messages[:limit]
    ]
    has_more = len(messages) > limit
    return Delivery(events, messages[limit - 1].position if has_more else upto, has_more)


def has_old_messages(txn: Transaction, device_nid: int, upto: int) -> bool:
    """Whether there are messages that the client has, because they could not be deleted when it said so."""
    return has_messages_up_to(txn, device_nid, upto)


def _check(type_: str, messages: Messages) -> None:
    if exceeds_bytes(type_):
        raise InvalidParam(f"The type may have {MAX_IDENTIFIER_BYTES} bytes")
    for user_id, contents in messages.items():
        for device_id, content in contents.items():
            text = bytes(content)
            if text[:1] != b"{":
                raise BadJson(f"The message to {user_id} {device_id} is not an object")
            if len(text) > _LARGEST_MESSAGE:
                raise TooLarge(f"A message may have {_LARGEST_MESSAGE} bytes")


def _request(requester: Requester, type_: str, txn_id: str) -> str:
    device = requester.device_nid
    # An application service has no device; its transaction IDs are those of the user it acts for.
    whose = ["user", requester.user_nid] if device is None else ["device", device]
    return blake2b(encode_json([*whose, type_, txn_id]), digest_size=16).hexdigest()


def _letters(messages: Messages, devices: Iterable[LocalDevice]) -> list[_Letter]:
    by_user: dict[UserID, list[LocalDevice]] = defaultdict(list)
    for device in devices:
        by_user[device.user_id].append(device)
    letters: dict[int, _Letter] = {}
    for user_id, contents in messages.items():
        for device in by_user[user_id]:
            # A device that is named gets its own message, and not that for all.
            content = contents.get(device.device_id, contents.get(ALL_DEVICES))
            if content is not None:
                letters[device.nid] = _Letter(device.nid, user_id, bytes(content))
    return list(letters.values())
