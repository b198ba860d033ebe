"""The tree of rooms below a space, page by page.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomshierarchy
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, InvalidParam, NotFound
from homeserver.protocol.identifiers import RoomID
from homeserver.rooms.head import Heads
from homeserver.rooms.previews import Previews, Visitor
from homeserver.rooms.reading import state_events
from homeserver.rooms.space_contents import SpaceContents
from homeserver.rooms.store.descriptions import Described, descriptions_of
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.store.hierarchy import Child, known_children
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

LARGEST_PAGE = 50
DEEPEST = 50
_TOKEN = re.compile(r"h([0-9]{1,9})_([0-9]{1,9})_([01])")

_Tree = Mapping[int, Sequence[Child]]


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

    A token is a number of rooms to pass over, so that no walk is remembered: the tree is put together again for
    each page, from what is known of its spaces.
    """

    def __init__(self, heads: Heads, previews: Previews, contents: SpaceContents, db: Database) -> None:
        self._heads = heads
        self._previews = previews
        self._contents = contents
        self._db = db

    async def page(self, requester: Requester, room_id: RoomID, wish: HierarchyWish) -> HierarchyPage:
        """Raises Forbidden for a space that the requester may not know of, InvalidParam for a wrong token."""
        passed = 0 if wish.start is None else _passed(wish)
        try:
            root = await self._heads.nid_of(room_id)
        except NotFound:
            raise Forbidden(_CLOSED) from None
        visitor = await self._previews.visitor(requester)
        described = await self._db.read(descriptions_of, [root])
        if root not in described or not visitor.may_preview(described[root]):
            raise Forbidden(_CLOSED)
        tree = await self._tree(visitor, root, wish)
        walk = islice(_depth_first(tree, root, wish.max_depth), passed, None)
        rooms: list[Described] = []
        # What nobody may see is passed over, so there may be more to read for a page.
        while upcoming := list(islice(walk, wish.limit - len(rooms))):
            found = await self._db.read(descriptions_of, upcoming)
            rooms += [found[room] for room in upcoming if room in found and visitor.may_preview(found[room])]
            passed += len(upcoming)
        is_end = next(walk, None) is None
        end = None if is_end else f"h{passed}_{wish.max_depth}_{int(wish.suggested_only)}"
        return HierarchyPage(await self._with_children(rooms, wish), end)

    async def _tree(self, visitor: Visitor, root: int, wish: HierarchyWish) -> _Tree:
        """The children of all spaces that can be reached, level by level."""
        tree: dict[int, Sequence[Child]] = {}
        level: Collection[int] = [root]
        for _ in range(wish.max_depth):
            if not level:
                break
            below = await self._children(level, wish)
            tree |= below
            parents = _parents(below) - tree.keys()
            spaces = await self._db.read(descriptions_of, parents) if parents else {}
            level = [
                room for room, space in spaces.items() if _is_space(space) and visitor.may_preview(space)
            ]
        return tree

    async def _children(self, spaces: Collection[int], wish: HierarchyWish) -> dict[int, Sequence[Child]]:
        """Those of each space that are known here."""
        contents = await self._contents.of(spaces)
        unknown = {child.room_id for space in spaces for child in contents[space] if child.room is None}
        news = await self._db.read(known_children, unknown) if unknown else {}
        return {
            space: [
                child if child.room is not None else child._replace(**news[child.room_id]._asdict())
                for child in _wanted(contents[space], wish)
                if child.room is not None or child.room_id in news
            ]
            for space in spaces
        }

    async def _with_children(self, rooms: Sequence[Described], wish: HierarchyWish) -> list[HierarchyRoom]:
        spaces = [room.says.room for room in rooms if _is_space(room)]
        contents = await self._contents.of(spaces) if spaces else {}
        children = {space: [child.event for child in _wanted(contents[space], wish)] for space in spaces}
        nids = [event for space in spaces for event in children[space]]
        events = await self._db.read(_events, nids) if nids else {}
        return [
            HierarchyRoom(
                room, [events[event] for event in children.get(room.says.room, ()) if event in events]
            )
            for room in rooms
        ]


_CLOSED = "This room is not known here, or closed to you"


def _passed(wish: HierarchyWish) -> int:
    match = _TOKEN.fullmatch(wish.start or "")
    if match is None:
        raise InvalidParam("from is no token of this server")
    if (int(match[2]), match[3] == "1") != (wish.max_depth, wish.suggested_only):
        raise InvalidParam("max_depth and suggested_only cannot change from page to page")
    return int(match[1])


def _wanted(children: Sequence[Child], wish: HierarchyWish) -> Sequence[Child]:
    return [child for child in children if child.suggested] if wish.suggested_only else children


def _parents(below: _Tree) -> set[int]:
    """The children that have children."""
    return {
        child.room
        for children in below.values()
        for child in children
        if child.room is not None and child.is_parent
    }


def _is_space(room: Described) -> bool:
    return room.says.room_type == "m.space"


def _depth_first(tree: _Tree, root: int, max_depth: int) -> Iterator[int]:
    """The rooms of a tree, each where it comes first."""
    seen: set[int] = set()
    stack = [(root, 0)]
    while stack:
        room, depth = stack.pop()
        if room in seen:
            continue
        seen.add(room)
        yield room
        if depth < max_depth:
            below = reversed(tree.get(room, ()))
            stack += [(child.room, depth + 1) for child in below if child.room is not None]


def _events(txn: Transaction, nids: Sequence[int]) -> dict[int, TimelineEvent]:
    return {event.nid: event for event in state_events(txn, events_by_nid(txn, nids))}
