"""What is in the spaces that somebody walks through, here and as other servers tell of them.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomshierarchy
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, NotFound
from homeserver.protocol.identifiers import RoomID, ServerName
from homeserver.rooms.head import Heads
from homeserver.rooms.previews import Previews, Visitor
from homeserver.rooms.previews_elsewhere import RemotePreviews
from homeserver.rooms.reading import state_events
from homeserver.rooms.space_contents import SpaceContents
from homeserver.rooms.space_walk import Link, Node, Path, SpaceWalk
from homeserver.rooms.spaces_elsewhere import Asking, SpacesElsewhere, Told, in_order, links, servers_of
from homeserver.rooms.store.descriptions import Described, descriptions_of
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.store.hierarchy import Child, KnownChild, known_children
from homeserver.rooms.store.inhabitants import inhabited
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.told_elsewhere import ToldSpace
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


@dataclass(frozen=True, slots=True)
class HierarchyWish:
    """`start` is the token to go on from."""

    max_depth: int
    suggested_only: bool
    limit: int
    start: str | None


@dataclass(frozen=True, slots=True)
class Tour:
    """Somebody's way through a space, for one page."""

    requester: Requester
    visitor: Visitor
    wish: HierarchyWish
    walk: SpaceWalk
    asking: Asking = field(default_factory=Asking)


class SpaceTrees:
    """Of spaces here a walk has all from its start, of those elsewhere what is learned as it comes to them."""

    def __init__(
        self,
        heads: Heads,
        previews: Previews,
        contents: SpaceContents,
        remote: RemotePreviews,
        elsewhere: SpacesElsewhere,
        db: Database,
    ) -> None:
        self._heads = heads
        self._previews = previews
        self._contents = contents
        self._remote = remote
        self._elsewhere = elsewhere
        self._db = db

    async def tour(self, requester: Requester, room_id: RoomID, wish: HierarchyWish) -> Tour:
        """Raises Forbidden for a space that the requester may not know of, and what other servers refuse with."""
        visitor = await self._previews.visitor(requester)
        try:
            if await self._remote.is_elsewhere(room_id):
                return await self._tour_elsewhere(requester, visitor, room_id, wish)
            root = await self._heads.nid_of(room_id)
        except NotFound as error:
            raise Forbidden(_CLOSED) from error
        described = await self._db.read(descriptions_of, [root])
        if root not in described or not visitor.may_preview(described[root]):
            raise Forbidden(_CLOSED)
        walk = SpaceWalk(Child(room_id, 0, False, root, True), wish.max_depth)
        tour = Tour(requester, visitor, wish, walk)
        await self._grow(tour, [root], 0)
        return tour

    async def _tour_elsewhere(
        self, requester: Requester, visitor: Visitor, room_id: RoomID, wish: HierarchyWish
    ) -> Tour:
        told, _ = await self._remote.seen(requester, room_id, [], suggested_only=wish.suggested_only)
        root = Link(room_id, (told.server,))
        tour = Tour(requester, visitor, wish, SpaceWalk(root, wish.max_depth))
        space = in_order(told, suggested_only=wish.suggested_only)
        tour.walk.told[root] = space.room
        await self._open(tour, {root: space}, {root: ()})
        return tour

    async def learn(self, tour: Tour, steps: Sequence[tuple[Node, Path]], *, is_fresh: bool) -> None:
        """What other servers told of rooms before, and of what is in them."""
        told = {
            node: known.space
            for node, path in steps
            if (known := self._known(tour, node, path, is_fresh=is_fresh)) is not None
        }
        await self._accept(tour, told, dict(steps))

    async def ask(self, tour: Tour, steps: Sequence[tuple[Node, Path]]) -> None:
        """What other servers tell of rooms now, and of what is in them, as far as there is time."""
        unknown = [node for node, _ in steps[: tour.asking.left]]
        servers = await self._servers(unknown)
        told = await self._elsewhere.ask(servers, tour.asking, suggested_only=tour.wish.suggested_only)
        await self._accept(tour, told, dict(steps))

    def _known(self, tour: Tour, node: Node, path: Path, *, is_fresh: bool) -> Told | None:
        suggested_only = tour.wish.suggested_only
        told = node.told if isinstance(node, Link) else None
        # What the server of the space tells is enough of a room that is not walked through.
        if told is not None and (told.room.room_type != "m.space" or len(path) == tour.wish.max_depth):
            return Told(in_order(told, suggested_only=suggested_only), inf)
        return self._elsewhere.recall(node, suggested_only=suggested_only, is_fresh=is_fresh)

    async def _servers(self, nodes: Collection[Node]) -> dict[Node, Sequence[ServerName]]:
        """Those to ask for each room."""
        nids = [node.event for node in nodes if isinstance(node, Child)]
        events = await self._db.read(events_of, nids) if nids else {}
        return {
            node: node.servers
            if isinstance(node, Link)
            else servers_of(events[node.event].content)
            if node.event in events
            else ()
            for node in nodes
        }

    async def _accept(
        self, tour: Tour, told: Mapping[Node, ToldSpace | None], paths: Mapping[Node, Path]
    ) -> None:
        spaces = {node: space for node, space in told.items() if space is not None}
        rooms = [space.room for space in spaces.values()]
        visible = await self._remote.visible(tour.requester, tour.visitor, rooms) if rooms else ()
        spaces = {node: space for node, space in spaces.items() if node.room_id in visible}
        for node in told:
            tour.walk.told[node] = spaces[node].room if node in spaces else None
        await self._open(tour, spaces, paths)

    async def _open(self, tour: Tour, spaces: Mapping[Node, ToldSpace], paths: Mapping[Node, Path]) -> None:
        """Puts what is in spaces elsewhere into the tree. Of rooms that are here, only what is known here counts."""
        found = {
            node: links(space) for node, space in spaces.items() if len(paths[node]) < tour.walk.max_depth
        }
        room_ids = {link.room_id for below in found.values() for link in below}
        here = await self._db.read(_here, room_ids) if room_ids else {}
        for node, below in found.items():
            closed = spaces[node].closed
            tour.walk.below[node] = [
                Child(link.room_id, 0, False, *here[link.room_id]) if link.room_id in here else link
                for link in below
                if link.room_id in here or link.room_id not in closed
            ]
            parents = {here[link.room_id] for link in below if link.room_id in here}
            level = await self._walkable(tour, {child.room for child in parents if child.is_parent})
            await self._grow(tour, level, len(paths[node]) + 1)

    async def _grow(self, tour: Tour, level: Collection[int], depth: int) -> None:
        """Puts what is in spaces here into the tree, level by level; `level` are the spaces at a depth."""
        walk = tour.walk
        while level and depth < walk.max_depth:
            below = await self._children(level, tour.wish)
            for space, children in below.items():
                walk.below[space] = children
            walk.grown.update(dict.fromkeys(level, depth))
            depth += 1
            parents = {room for room in _parents(below) if walk.grown.get(room, depth + 1) > depth}
            level = await self._walkable(tour, parents)

    async def _walkable(self, tour: Tour, rooms: Collection[int]) -> Collection[int]:
        """Those of the rooms that are spaces and that the visitor may see."""
        described = await self._db.read(descriptions_of, rooms) if rooms else {}
        return [
            room for room, space in described.items() if is_space(space) and tour.visitor.may_preview(space)
        ]

    async def _children(self, spaces: Collection[int], wish: HierarchyWish) -> dict[int, Sequence[Child]]:
        """Those of each space."""
        contents = await self._contents.of(spaces)
        unknown = {child.room_id for space in spaces for child in contents[space] if child.room is None}
        news = await self._db.read(known_children, unknown) if unknown else {}
        return {space: _with_news(wanted(contents[space], wish), news) for space in spaces}


_CLOSED = "This room is not known here, or closed to you"


def wanted(children: Sequence[Child], wish: HierarchyWish) -> Sequence[Child]:
    return [child for child in children if child.suggested] if wish.suggested_only else children


def is_space(room: Described) -> bool:
    return room.says.room_type == "m.space"


def _with_news(children: Sequence[Child], news: Mapping[RoomID, KnownChild]) -> Sequence[Child]:
    """The children, with what came to be known of them since they were read."""
    if not news:
        return children
    return [
        child._replace(**news[child.room_id]._asdict()) if child.room_id in news else child
        for child in children
    ]


def _parents(below: Mapping[int, Sequence[Child]]) -> set[int]:
    """The children that have children."""
    return {
        child.room
        for children in below.values()
        for child in children
        if child.room is not None and child.is_parent
    }


def _here(txn: Transaction, room_ids: Collection[RoomID]) -> dict[RoomID, KnownChild]:
    """Those of the rooms that somebody of this server is in."""
    known = known_children(txn, room_ids)
    rooms = inhabited(txn, [child.room for child in known.values()]) if known else ()
    return {room_id: child for room_id, child in known.items() if child.room in rooms}


def events_of(txn: Transaction, nids: Sequence[int]) -> dict[int, TimelineEvent]:
    """What puts rooms into spaces, by short ids."""
    return {event.nid: event for event in state_events(txn, events_by_nid(txn, nids))}
