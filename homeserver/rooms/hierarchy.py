"""The tree of rooms below a space, page by page.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomshierarchy
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, InvalidParam, NotFound
from homeserver.protocol.identifiers import SERVER_NAME, RoomID, ServerName
from homeserver.protocol.json import JsonObject
from homeserver.rooms.head import Heads
from homeserver.rooms.previews import Previews, Visitor
from homeserver.rooms.previews_elsewhere import RemotePreviews
from homeserver.rooms.reading import state_events
from homeserver.rooms.space_contents import SpaceContents
from homeserver.rooms.store.descriptions import Described, descriptions_of
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.store.hierarchy import Child, known_children
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.told_elsewhere import ToldRoom
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

LARGEST_PAGE = 50
DEEPEST = 50
_MOST_SERVERS = 3
_TOKEN = re.compile(r"h([0-9]{1,9})_([0-9]{1,9})_([01])")

_Tree = Mapping[int, Sequence[Child]]
_Node = int | Child
"""A room in a tree, by its short id; one that is not known here as what puts it there."""


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

    rooms: Sequence[HierarchyRoom | ToldRoom]
    end: str | None


class Hierarchies:
    """Walks through spaces, depth first.

    A token is a number of rooms to pass over, so that no walk is remembered: the tree is put together again for
    each page, from what is known of its spaces. Of rooms that are not known here other servers are asked, but not of
    what is below them.
    """

    def __init__(
        self, heads: Heads, previews: Previews, contents: SpaceContents, remote: RemotePreviews, db: Database
    ) -> None:
        self._heads = heads
        self._previews = previews
        self._contents = contents
        self._remote = remote
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
        rooms: list[Described | ToldRoom] = []
        is_local = True
        # What nobody may see is passed over, so there may be more to read for a page. Others are asked but once.
        while is_local and (upcoming := list(islice(walk, wish.limit - len(rooms)))):
            rooms += await self._visible(visitor, upcoming, wish)
            passed += len(upcoming)
            is_local = all(isinstance(node, int) for node in upcoming)
        is_end = next(walk, None) is None
        end = None if is_end else f"h{passed}_{wish.max_depth}_{int(wish.suggested_only)}"
        return HierarchyPage(await self._with_children(rooms, wish), end)

    async def _visible(
        self, visitor: Visitor, nodes: Sequence[_Node], wish: HierarchyWish
    ) -> list[Described | ToldRoom]:
        """Those of the rooms that the visitor may see."""
        found = await self._db.read(descriptions_of, [node for node in nodes if isinstance(node, int)])
        unknown = [node for node in nodes if isinstance(node, Child)]
        told = await self._told(visitor, unknown, wish) if unknown else {}
        rooms: list[Described | ToldRoom] = []
        for node in nodes:
            if isinstance(node, Child):
                rooms += [told[node.room_id]] if node.room_id in told else []
            elif node in found and visitor.may_preview(found[node]):
                rooms.append(found[node])
        return rooms

    async def _told(
        self, visitor: Visitor, children: Sequence[Child], wish: HierarchyWish
    ) -> Mapping[RoomID, ToldRoom]:
        """What other servers tell of rooms that are not known here."""
        events = await self._db.read(_events, [child.event for child in children])
        via = {
            child.room_id: _servers(events[child.event].content)
            for child in children
            if child.event in events
        }
        return await self._remote.children(visitor, via, suggested_only=wish.suggested_only)

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
        """Those of each space."""
        contents = await self._contents.of(spaces)
        unknown = {child.room_id for space in spaces for child in contents[space] if child.room is None}
        news = await self._db.read(known_children, unknown) if unknown else {}
        return {
            space: [
                child._replace(**news[child.room_id]._asdict()) if child.room_id in news else child
                for child in _wanted(contents[space], wish)
            ]
            for space in spaces
        }

    async def _with_children(
        self, rooms: Sequence[Described | ToldRoom], wish: HierarchyWish
    ) -> list[HierarchyRoom | ToldRoom]:
        spaces = [room.says.room for room in rooms if isinstance(room, Described) and _is_space(room)]
        contents = await self._contents.of(spaces) if spaces else {}
        children = {space: [child.event for child in _wanted(contents[space], wish)] for space in spaces}
        nids = [event for space in spaces for event in children[space]]
        events = await self._db.read(_events, nids) if nids else {}
        return [
            HierarchyRoom(
                room, [events[event] for event in children.get(room.says.room, ()) if event in events]
            )
            if isinstance(room, Described)
            else room
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


def _depth_first(tree: _Tree, root: int, max_depth: int) -> Iterator[_Node]:
    """The rooms of a tree, each where it comes first."""
    seen: set[int | RoomID] = set()
    stack: list[tuple[_Node, int]] = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        key = node.room_id if isinstance(node, Child) else node
        if key in seen:
            continue
        seen.add(key)
        yield node
        if depth < max_depth and isinstance(node, int):
            below = reversed(tree.get(node, ()))
            stack += [(child if child.room is None else child.room, depth + 1) for child in below]


def _servers(content: JsonObject) -> list[ServerName]:
    """Those that are in a room, as what puts it into a space says."""
    via = content.get("via")
    names = [name for name in via if isinstance(name, str)] if isinstance(via, list) else []
    return [ServerName(name) for name in names if SERVER_NAME.fullmatch(name)][:_MOST_SERVERS]


def _events(txn: Transaction, nids: Sequence[int]) -> dict[int, TimelineEvent]:
    return {event.nid: event for event in state_events(txn, events_by_nid(txn, nids))}
