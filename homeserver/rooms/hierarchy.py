"""The tree of rooms below a space, page by page.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomshierarchy
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, InvalidParam, NotFound
from homeserver.protocol.identifiers import RoomID
from homeserver.rooms.head import Heads
from homeserver.rooms.previews import Previews, Visitor
from homeserver.rooms.reading import state_events
from homeserver.rooms.store.descriptions import Described, descriptions_of
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.store.hierarchy import child_events, children_of, rooms_with_children
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

LARGEST_PAGE = 50
DEEPEST = 50
_TOKEN = re.compile(r"h([0-9]{1,9})_([0-9]{1,9})_([01])")

_Tree = Mapping[int, Sequence[int]]


@dataclass(frozen=True, slots=True)
class HierarchyWish:
    """`start` is the token to go on from."""

    max_depth: int
    suggested_only: bool
    limit: int
    start: str | None


@dataclass(frozen=True, slots=True)
class HierarchyRoom:
    room: Described
    children: Sequence[TimelineEvent]


@dataclass(frozen=True, slots=True)
class HierarchyPage:
    """`end` is the token to go on from, None where there is no more."""

    rooms: Sequence[HierarchyRoom]
    end: str | None


class Hierarchies:
    """Walks through spaces, depth first.

    A token is a number of rooms to pass over, so that no walk is remembered: the tree's skeleton is read again
    with each page, with one statement for each level of it.
    """

    def __init__(self, heads: Heads, previews: Previews, db: Database) -> None:
        self._heads = heads
        self._previews = previews
        self._db = db

    async def page(self, requester: Requester, room_id: RoomID, wish: HierarchyWish) -> HierarchyPage:
        """Raises Forbidden for a space that the requester may not know of, InvalidParam for a wrong token."""
        passed = 0 if wish.start is None else _passed(wish)
        try:
            room = await self._heads.nid_of(room_id)
        except NotFound:
            raise Forbidden(_CLOSED) from None
        return await self._db.read(_page, await self._previews.visitor(requester), room, wish, passed)


_CLOSED = "This room is not known here, or closed to you"


def _passed(wish: HierarchyWish) -> int:
    match = _TOKEN.fullmatch(wish.start or "")
    if match is None:
        raise InvalidParam("from is no token of this server")
    if (int(match[2]), match[3] == "1") != (wish.max_depth, wish.suggested_only):
        raise InvalidParam("max_depth and suggested_only cannot change from page to page")
    return int(match[1])


def _page(txn: Transaction, visitor: Visitor, root: int, wish: HierarchyWish, passed: int) -> HierarchyPage:
    described = descriptions_of(txn, [root])
    if root not in described or not visitor.may_preview(described[root]):
        raise Forbidden(_CLOSED)
    tree = _tree(txn, visitor, root, wish)
    order = _depth_first(tree, root, wish.max_depth)
    rooms: list[Described] = []
    while passed < len(order) and len(rooms) < wish.limit:
        # What nobody may see is passed over, so there may be more to read for a page.
        upcoming = order[passed : passed + wish.limit - len(rooms)]
        found = descriptions_of(txn, upcoming)
        rooms += [found[room] for room in upcoming if room in found and visitor.may_preview(found[room])]
        passed += len(upcoming)
    end = f"h{passed}_{wish.max_depth}_{int(wish.suggested_only)}" if passed < len(order) else None
    return HierarchyPage(_with_children(txn, rooms, wish), end)


def _tree(txn: Transaction, visitor: Visitor, root: int, wish: HierarchyWish) -> _Tree:
    """The children of all spaces that can be reached, level by level."""
    tree: dict[int, list[int]] = {}
    level: Collection[int] = [root]
    for _ in range(wish.max_depth):
        if not level:
            break
        tree |= children_of(txn, level, suggested_only=wish.suggested_only)
        below = {child for room in level for child in tree[room]} - tree.keys()
        spaces = descriptions_of(txn, rooms_with_children(txn, below))
        level = [room for room, space in spaces.items() if _is_space(space) and visitor.may_preview(space)]
    return tree


def _is_space(room: Described) -> bool:
    return room.says.room_type == "m.space"


def _depth_first(tree: _Tree, root: int, max_depth: int) -> list[int]:
    """The rooms of a tree, each where it comes first."""
    order: dict[int, None] = {}
    stack = [(root, 0)]
    while stack:
        room, depth = stack.pop()
        if room in order:
            continue
        order[room] = None
        if depth < max_depth:
            stack += [(child, depth + 1) for child in reversed(tree.get(room, ()))]
    return list(order)


def _with_children(txn: Transaction, rooms: Sequence[Described], wish: HierarchyWish) -> list[HierarchyRoom]:
    spaces = [room.says.room for room in rooms if _is_space(room)]
    children = child_events(txn, spaces, suggested_only=wish.suggested_only) if spaces else {}
    nids = [event for space in spaces for event in children[space]]
    events = {event.nid: event for event in state_events(txn, events_by_nid(txn, nids))} if nids else {}
    return [
        HierarchyRoom(room, [events[event] for event in children.get(room.says.room, ()) if event in events])
        for room in rooms
    ]
