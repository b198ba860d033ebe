"""What a server may know of a space and the rooms in it.

https://spec.matrix.org/v1.19/server-server-api/#spaces
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from federation.incoming.admission import Admission
from federation.resident.inhabitants import rooms_entered, rooms_inviting
from homeserver.protocol.errors import Forbidden, NotFound
from homeserver.protocol.identifiers import RoomID, ServerName
from homeserver.rooms.reading import state_events
from homeserver.rooms.store.descriptions import Described, descriptions_of
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.store.hierarchy import child_events, children_of
from homeserver.rooms.store.inhabitants import inhabited
from homeserver.rooms.stripped import dated_stripped_event
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_MOST_CHILDREN = 100
_OPEN = ("public", "knock", "knock_restricted")


@dataclass(frozen=True, slots=True)
class SpaceRoom:
    """`children` are stripped events, with their times."""

    room: Described
    children: Sequence[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Space:
    """`children` are those that the server could enter or look into, `closed` the others that are known here."""

    room: SpaceRoom
    children: Sequence[SpaceRoom]
    closed: Sequence[RoomID]


class Spaces:
    def __init__(self, admission: Admission, db: Database) -> None:
        self._admission = admission
        self._db = db

    async def of(self, origin: ServerName, room_id: RoomID, *, suggested_only: bool) -> Space:
        """Raises NotFound where the room is not known here or the server may know nothing of it."""
        try:
            room = (await self._admission.check(room_id, origin)).nid
        except Forbidden as error:
            raise NotFound(_CLOSED) from error
        return await self._db.read(_space, room, origin, suggested_only)


_CLOSED = "The room is not known here, or closed to your server"


def _space(txn: Transaction, root: int, origin: ServerName, suggested_only: bool) -> Space:
    below = children_of(txn, [root], suggested_only=suggested_only)[root][:_MOST_CHILDREN]
    # What is known here of rooms that all have left may no longer be so.
    known = inhabited(txn, below)
    described = descriptions_of(txn, {root, *known})
    visible = _visible(txn, described, origin)
    if root not in visible:
        raise NotFound(_CLOSED)
    shown = [root, *(room for room in below if room in visible and room != root)]
    children = _children(txn, [room for room in shown if described[room].says.room_type == "m.space"])
    rooms = [SpaceRoom(described[room], children.get(room, ())) for room in shown]
    closed = [described[room].room_id for room in below if room in described and room not in visible]
    return Space(rooms[0], rooms[1:], closed)


def _visible(txn: Transaction, described: Mapping[int, Described], origin: ServerName) -> set[int]:
    """The rooms that users of the server could enter, ask to enter, or look into."""
    says = {room: one.says for room, one in described.items()}
    allowed = {room_id for one in says.values() for room_id in one.allowed}
    inside, entered = rooms_entered(txn, origin, described, allowed)
    invited = rooms_inviting(txn, origin, described)
    return {
        room
        for room, one in says.items()
        if one.world_readable
        or one.join_rule in _OPEN
        or room in inside
        or room in invited
        or not entered.isdisjoint(one.allowed)
    }


def _children(txn: Transaction, spaces: Collection[int]) -> dict[int, list[msgspec.Raw]]:
    nids = child_events(txn, spaces) if spaces else {}
    rows = events_by_nid(txn, [nid for of_space in nids.values() for nid in of_space])
    events = {event.nid: dated_stripped_event(event) for event in state_events(txn, rows)}
    return {space: [events[nid] for nid in of_space if nid in events] for space, of_space in nids.items()}
