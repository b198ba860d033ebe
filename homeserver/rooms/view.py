"""What part of a room a user may read: its current state, or its state when the user left.

https://spec.matrix.org/v1.19/client-server-api/#room-history-visibility
"""

from collections.abc import Sequence
from dataclasses import dataclass

from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, NotFound
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.room_versions import RoomVersion
from homeserver.rooms.expiry import RETENTION, Expiry
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.ignored import IgnoredUsers
from homeserver.rooms.members import Members
from homeserver.rooms.seen import Seen
from homeserver.rooms.store.members import MemberRow
from homeserver.rooms.store.spans import OPEN
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.visibility import last_stay, visible_events
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

CURRENT = OPEN - 1
"""A number on the state line that no room reaches: the state there is the current one."""

_VISIBILITY = ("m.room.history_visibility", "")
_NOT_THERE = "You are not in this room"


@dataclass(frozen=True, slots=True)
class RoomView:
    """`line` is where on the state line the user's sight ends, `upto` the last position of the timeline; `ignored` are
    the IDs of those whom the user does not want to hear of."""

    room: int
    room_id: RoomID
    version: RoomVersion
    member: MemberRow | None
    line: int
    upto: int
    ignored: frozenset[str]
    oldest: int = 0
    """The time, in milliseconds since the epoch, before which messages are expired."""

    def hides(self, event: TimelineEvent) -> bool:
        """Whether the event is a message that the room keeps no longer."""
        return event.origin_server_ts < self.oldest and not event.is_state


def visible_in(
    txn: Transaction, user_id: UserID, view: RoomView, events: Sequence[TimelineEvent]
) -> list[Seen]:
    """Those of the room's events that the user may see and that are not expired, in the same order."""
    kept = [event for event in events if not view.hides(event)]
    return visible_events(txn, view.room, user_id, view.member, kept)


class RoomViews:
    """Decides what part of a room a requester may read."""

    def __init__(
        self, heads: Heads, members: Members, expiry: Expiry, ignored: IgnoredUsers, db: Database
    ) -> None:
        self._heads = heads
        self._expiry = expiry
        self._members = members
        self._ignored = ignored
        self._db = db

    async def of(self, requester: Requester, room_id: RoomID) -> RoomView:
        """Raises Forbidden for who is not in the room and never was, and where there is no such room."""
        try:
            head = await self._heads.get(room_id)
        except NotFound:
            # Strangers are not told which rooms there are.
            raise Forbidden(_NOT_THERE) from None
        member = await self._members.membership(head.nid, requester.user_nid)
        ignored = await self._ignored.of(requester.user_nid)
        joined = member is not None and member.membership == "join"
        if joined or await self._is_world_readable(head):
            oldest = await self._oldest(head)
            return RoomView(head.nid, room_id, head.version, member, CURRENT, CURRENT, ignored, oldest)
        stay = None
        if member is not None and not member.forgotten:
            stay = await self._db.read(last_stay, head.nid, requester.user_id)
        if stay is None:
            raise Forbidden(_NOT_THERE)
        oldest = await self._oldest(head)
        return RoomView(head.nid, room_id, head.version, member, stay.line, stay.ended, ignored, oldest)

    async def _oldest(self, head: Head) -> int:
        if not self._expiry.enabled:
            return 0
        await self._heads.load(head, [RETENTION])
        policy = head.get(RETENTION)
        return self._expiry.oldest(None if policy is None else policy.content)

    async def _is_world_readable(self, head: Head) -> bool:
        await self._heads.load(head, [_VISIBILITY])
        event = head.get(_VISIBILITY)
        return event is not None and event.content.get("history_visibility") == "world_readable"
