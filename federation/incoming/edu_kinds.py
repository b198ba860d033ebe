"""What other servers tell of their users: typing, receipts, presence, changes of their keys, messages to devices.

https://spec.matrix.org/v1.19/server-server-api/#typing-notifications and the sections after it
"""

from functools import partial

import msgspec

from federation.devices.lists import CrossSigningUpdate, DeviceUpdate
from federation.incoming.admission import Admission
from federation.incoming.edu_senders import EduSenders, check_is_of
from homeserver.accounts.domains import LocalDomains
from homeserver.e2ee.device_lists import DeviceLists, KeyOwner
from homeserver.e2ee.to_device import ToDevice
from homeserver.ephemeral.presence.state import StateName, UserPresence, state_named
from homeserver.ephemeral.presence.tracking import PresenceTracker
from homeserver.ephemeral.receipts import Receipts
from homeserver.ephemeral.store import READ, ReceiptKey
from homeserver.ephemeral.threads import UNTHREADED
from homeserver.ephemeral.typing_notifications import Typing
from homeserver.protocol.errors import MatrixError
from homeserver.protocol.identifiers import EventID, RoomID, ServerName, UserID, parse_event_id, parse_room_id
from homeserver.protocol.json import JsonObject, encode_json
from homeserver.rooms.event_lookup import EventLookup
from homeserver.runtime.clock import Clock

# Other servers do not say for how long; they repeat it while it goes on, Synapse after 40 s.
_TYPING_SECONDS = 60.0
# A user reads up to one place; where the room has branches, up to the ends of some.
_MOST_EVENTS_READ = 20


class _TypingContent(msgspec.Struct):
    room_id: str
    user_id: str
    typing: bool


class TypingEdus:
    def __init__(self, typing: Typing, senders: EduSenders, admission: Admission) -> None:
        self._typing = typing
        self._senders = senders
        self._admission = admission

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        told = msgspec.convert(content, _TypingContent)
        room = (await self._admission.check(parse_room_id(told.room_id), origin)).nid
        await self._senders.in_room(origin, told.user_id, room)
        if told.typing:
            await self._typing.started(room, UserID(told.user_id), _TYPING_SECONDS)
        else:
            await self._typing.stopped(room, UserID(told.user_id))


class _ReceiptData(msgspec.Struct):
    ts: int
    thread_id: str = UNTHREADED


class _Receipt(msgspec.Struct):
    data: _ReceiptData
    event_ids: list[str]


class ReceiptEdus:
    def __init__(
        self, receipts: Receipts, events: EventLookup, senders: EduSenders, admission: Admission
    ) -> None:
        self._receipts = receipts
        self._events = events
        self._senders = senders
        self._admission = admission

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        for room_id, by_type in content.items():
            read = msgspec.convert(by_type, dict[str, dict[str, _Receipt]]).get(READ, {})
            try:
                room = (await self._admission.check(parse_room_id(room_id), origin)).nid
            except MatrixError:
                # The other rooms of the EDU are none of this one's business.
                continue
            for user_id in await self._senders.met(origin, read):
                await self._move(origin, RoomID(room_id), room, user_id, read[user_id])

    async def _move(
        self, origin: ServerName, room_id: RoomID, room: int, user_id: str, receipt: _Receipt
    ) -> None:
        try:
            user_nid = await self._senders.in_room(origin, user_id, room)
        except MatrixError:
            # That one is not in the room says nothing about the others.
            return
        key = ReceiptKey(room, user_nid, READ, receipt.data.thread_id)
        for event_id in receipt.event_ids[:_MOST_EVENTS_READ]:
            place = await self._events.position_of(room_id, parse_event_id(event_id))
            await self._receipts.move(key, EventID(event_id), place or 0, receipt.data.ts)


class _Presence(msgspec.Struct):
    user_id: str
    presence: StateName
    last_active_ago: int = 0
    currently_active: bool = False
    status_msg: str | None = None


class _PresenceContent(msgspec.Struct):
    push: list[_Presence]


class PresenceEdus:
    def __init__(self, tracker: PresenceTracker, senders: EduSenders, clock: Clock) -> None:
        self._tracker = tracker
        self._senders = senders
        self._clock = clock

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        push = {told.user_id: told for told in msgspec.convert(content, _PresenceContent).push}
        for user_id in await self._senders.met(origin, push):
            told = push[user_id]
            try:
                user_nid = await self._senders.in_any_room(origin, told.user_id)
            except MatrixError:
                # Of whom nobody here is told.
                continue
            self._tracker.tell(
                UserPresence(
                    user_nid=user_nid,
                    user_id=UserID(told.user_id),
                    state=state_named(told.presence),
                    status_msg=told.status_msg,
                    last_active_at=max(0, self._clock.now_ms() - max(0, told.last_active_ago)),
                    is_active=told.currently_active,
                )
            )


class DeviceListEdus:
    """Of lists that are kept here, and of others, which clients are told to ask for anew."""

    def __init__(self, lists: DeviceLists, senders: EduSenders) -> None:
        self._lists = lists
        self._senders = senders

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        update = msgspec.convert(content, DeviceUpdate)
        user_nid = await self._senders.in_any_room(origin, update.user_id)
        owner = KeyOwner(UserID(update.user_id), user_nid)
        await self._lists.change(owner, partial(update.apply, user_nid=user_nid))


class CrossSigningEdus:
    def __init__(self, lists: DeviceLists, senders: EduSenders) -> None:
        self._lists = lists
        self._senders = senders

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        update = msgspec.convert(content, CrossSigningUpdate)
        user_nid = await self._senders.in_any_room(origin, update.user_id)
        owner = KeyOwner(UserID(update.user_id), user_nid)
        await self._lists.change(owner, partial(update.apply, user_nid=user_nid))


class _DirectToDevice(msgspec.Struct):
    sender: str
    type: str
    message_id: str
    messages: dict[str, dict[str, JsonObject]]


class ToDeviceEdus:
    def __init__(self, to_device: ToDevice, domains: LocalDomains) -> None:
        self._to_device = to_device
        self._domains = domains

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        told = msgspec.convert(content, _DirectToDevice)
        check_is_of(origin, told.sender)
        local = {
            UserID(user_id): {device: msgspec.Raw(encode_json(each)) for device, each in messages.items()}
            for user_id, messages in told.messages.items()
            if self._domains.is_local(user_id)
        }
        request = f"{told.sender} {told.message_id}"
        await self._to_device.deliver(UserID(told.sender), told.type, local, request)
