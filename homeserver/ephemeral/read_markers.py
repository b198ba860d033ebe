"""What a local user says to have read: receipts and the fully read marker.

https://spec.matrix.org/v1.19/client-server-api/#fully-read-markers
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from homeserver.account_data.contents import AccountData
from homeserver.account_data.store import ContentKey
from homeserver.ephemeral.asked_of_rooms import Membership, RoomEvents
from homeserver.ephemeral.receipts import Receipts
from homeserver.ephemeral.store import READ, READ_PRIVATE, ReceiptKey
from homeserver.ephemeral.threads import UNTHREADED, may_read_in_thread
from homeserver.http.requester import Requester
from homeserver.protocol.errors import InvalidParam, NotFound
from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.runtime.clock import Clock
from homeserver.runtime.together import together
from homeserver.streams.journal import Position

FULLY_READ = "m.fully_read"
RECEIPT_TYPES = (READ, READ_PRIVATE, FULLY_READ)


class Mark(NamedTuple):
    """`type` is one of RECEIPT_TYPES, `thread` UNTHREADED, MAIN or the event ID of a thread's root.

    With `may_go_back` the fully read marker moves to an earlier event too (MSC4446).
    """

    type: str
    event_id: EventID
    thread: str = UNTHREADED
    may_go_back: bool = False


class ReadListener(Protocol):
    """Implemented by `homeserver.push`."""

    def has_read(self, user_nid: int) -> None:
        """A local user's receipts have moved."""


class ReadMarkers:
    """Moves the requester's markers in a room; none moves back, unless its user says so."""

    def __init__(
        self,
        receipts: Receipts,
        account_data: AccountData,
        membership: Membership,
        events: RoomEvents,
        listener: ReadListener,
        clock: Clock,
    ) -> None:
        self._receipts = receipts
        self._account_data = account_data
        self._membership = membership
        self._events = events
        self._listener = listener
        self._clock = clock

    async def move(self, requester: Requester, room_id: RoomID, marks: Sequence[Mark]) -> None:
        """Checks all marks before it moves any marker.

        Raises Forbidden where the requester is not joined, InvalidParam where an event is not in the thread
        that its mark names, NotFound where the fully read marker names an event that the room does not have.
        """
        room_nid = await self._membership.require_joined(room_id, requester.user_id)
        places = [await self._place(room_id, mark) for mark in marks]
        moves = [
            move
            for mark, place in zip(marks, places, strict=True)
            # COMPAT(synapse 1.157): a receipt at an event that the server does not have is ignored.
            if place is not None
            for move in self._moves(requester.user_nid, room_nid, mark, place)
        ]
        await together(moves)
        self._listener.has_read(requester.user_nid)

    async def _place(self, room_id: RoomID, mark: Mark) -> int | None:
        if mark.thread != UNTHREADED and not await may_read_in_thread(
            self._events, room_id, mark.event_id, mark.thread
        ):
            raise InvalidParam(f"{mark.event_id} is not related to the thread {mark.thread}")
        place = await self._events.position_of(room_id, mark.event_id)
        if place is None and mark.type == FULLY_READ:
            raise NotFound("The room has no such event")
        return place

    def _moves(self, user_nid: int, room_nid: int, mark: Mark, place: int) -> list[Deferred[Position]]:
        if mark.type != FULLY_READ:
            receipt = ReceiptKey(room_nid, user_nid, mark.type, mark.thread)
            return [self._receipts.move(receipt, mark.event_id, place, self._clock.now_ms())]
        key, content = ContentKey(user_nid, room_nid, FULLY_READ), {"event_id": mark.event_id}
        # Without a rank it replaces whatever is there; with one, later moves are compared with it.
        ranks = [0, place] if mark.may_go_back else [place]
        return [self._account_data.put(key, content, rank=rank) for rank in ranks]
