"""Joins, knocks and leaves that other servers hand in to have them taken into the room.

https://spec.matrix.org/v1.19/server-server-api/#joining-rooms and the sections after it
"""

from collections.abc import Sequence
from functools import partial

from config.rate_limits import RateLimits
from federation.incoming.admission import Admission
from federation.incoming.edu_senders import check_is_of
from federation.incoming.pdu_checks import PduChecks, Unusable
from federation.outgoing.events import OutgoingEvents
from federation.resident.join_answers import RoomAtJoin, room_at_join
from federation.resident.join_authority import JoinAuthority
from homeserver.http.limits import RateLimiter
from homeserver.protocol.errors import Forbidden, InvalidParam
from homeserver.protocol.events import Event, parse_pdu
from homeserver.protocol.hashes import content_hash_matches
from homeserver.protocol.identifiers import EventID, RoomID, ServerName
from homeserver.protocol.json import JsonObject
from homeserver.protocol.stripped import STRIPPED_SLOTS
from homeserver.rooms.graph.auth_graph import RoomKey, UnknownEvents
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.receive import EventReceiver
from homeserver.rooms.store.events import place_of
from homeserver.rooms.store.heads import room_of_event
from homeserver.storage.database import Database


class Handover:
    """Checks what is handed in and takes it into its room, from where it goes to the other servers there.

    All raise what `Admission.check` does, joins and knocks what `check_whole` does, InvalidParam where the event is
    not what it has to be, and Forbidden where the room does not allow it.
    """

    def __init__(
        self,
        admission: Admission,
        checks: PduChecks,
        authority: JoinAuthority,
        receiver: EventReceiver,
        outgoing: OutgoingEvents,
        heads: Heads,
        limiter: RateLimiter,
        limits: RateLimits,
        db: Database,
    ) -> None:
        self._admission = admission
        self._checks = checks
        self._authority = authority
        self._receiver = receiver
        self._outgoing = outgoing
        self._heads = heads
        self._limiter = limiter
        self._limits = limits
        self._db = db

    async def join(
        self, origin: ServerName, room_id: RoomID, event_id: EventID, pdu: JsonObject, *, omit_members: bool
    ) -> tuple[Event, RoomAtJoin]:
        """The join, signed here too where that is needed, and the room. Raises what `JoinAuthority` does."""
        head = await self._admission.check_whole(room_id, origin)
        join = _read(origin, head, event_id, pdu, "join")
        self._limiter.check("joins_per_room", self._limits.joins_per_room, room_id)
        join = await self._authority.signed(head, join)
        await self._take(join)
        room = RoomKey(head.nid, room_id, head.version)
        return join, await self._db.read(partial(room_at_join, omit_members=omit_members), room, join)

    async def knock(
        self, origin: ServerName, room_id: RoomID, event_id: EventID, pdu: JsonObject
    ) -> Sequence[JsonObject]:
        """What the room says of itself, as PDUs."""
        head = await self._admission.check_whole(room_id, origin)
        await self._take(_read(origin, head, event_id, pdu, "knock"))
        await self._heads.load(head, STRIPPED_SLOTS)
        return [event.pdu() for slot in STRIPPED_SLOTS if (event := head.get(slot)) is not None]

    async def leave(self, origin: ServerName, room_id: RoomID, event_id: EventID, pdu: JsonObject) -> None:
        """Also of who was invited or has knocked."""
        head = await self._admission.check(room_id, origin)
        await self._take(_read(origin, head, event_id, pdu, "leave"))

    async def _take(self, event: Event) -> None:
        (checked,) = await self._checks.check([event.pdu()], event.version)
        if isinstance(checked, Unusable):
            raise InvalidParam(checked.reason)
        if not content_hash_matches(event):
            raise InvalidParam("The hash is not that of the event")
        if await self._is_elsewhere(event):
            raise InvalidParam("There is another event with this ID")
        try:
            with self._outgoing.relaying(event.event_id):
                received = await self._receiver.receive(event)
        except UnknownEvents as unknown:
            raise InvalidParam(f"The event builds on what is not known here: {unknown}") from unknown
        if received.refusal is not None:
            raise Forbidden(received.refusal.reason)
        if received.position is None and await self._was_refused(event):
            raise Forbidden("The event was refused before")

    async def _is_elsewhere(self, event: Event) -> bool:
        """Whether an event of another room has the ID, which in old room versions its server gives it."""
        room_id = await self._db.read(room_of_event, event.event_id)
        return room_id is not None and room_id != event.room_id

    async def _was_refused(self, event: Event) -> bool:
        place = await self._db.read(place_of, event.event_id)
        return place is None or place.position is None


def _read(origin: ServerName, head: Head, event_id: EventID, pdu: JsonObject, membership: str) -> Event:
    event = parse_pdu({key: value for key, value in pdu.items() if key != "unsigned"}, head.version)
    if event.event_id != event_id:
        raise InvalidParam("The event has not the ID under which it is sent")
    if event.room_id != head.room_id:
        raise InvalidParam("The event is of another room")
    if event.type != "m.room.member" or event.membership != membership:
        raise InvalidParam(f"The event is no membership event that says {membership!r}")
    if event.state_key != event.sender:
        raise InvalidParam("The event is about somebody else than its sender")
    check_is_of(origin, event.sender)
    return event
