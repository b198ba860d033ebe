"""The tree of rooms below a space, page by page.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomshierarchy
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from homeserver.http.requester import Requester
from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.identifiers import RoomID
from homeserver.rooms.space_contents import SpaceContents
from homeserver.rooms.space_trees import HierarchyWish, SpaceTrees, Tour, events_of, is_space, wanted
from homeserver.rooms.space_walk import Node, Path
from homeserver.rooms.store.descriptions import Described, descriptions_of
from homeserver.rooms.store.hierarchy import Child
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.rooms.told_elsewhere import ToldRoom
from homeserver.storage.database import Database

LARGEST_PAGE = 50
DEEPEST = 50
_TOKEN = re.compile(r"h((?:[0-9]{1,9}(?:\.[0-9]{1,9}){0,49})?)_([0-9]{1,9})_([01])")


@dataclass(frozen=True, slots=True)
class HierarchyRoom:
    room: Described
    children: Sequence[TimelineEvent]


@dataclass(frozen=True, slots=True)
class HierarchyPage:
    """`end` is the token to go on from, None where there is no more."""

    rooms: Sequence[HierarchyRoom | ToldRoom]
    end: str | None


@dataclass(slots=True)
class _Place:
    """Where a page is: `last` is the way to the last room that it passed, `after` to that of the page before."""

    after: Path | None
    last: Path | None
    is_cut: bool = False

    def is_on_way(self, path: Path) -> bool:
        """Whether this page goes on in the room, or in what is below it."""
        return self.after is not None and path == self.after[: len(path)]

    def is_behind(self, path: Path) -> bool:
        return self.after is not None and path <= self.after and not self.is_on_way(path)


class Hierarchies:
    """Walks through spaces, depth first.

    A token is the way to the last room, so that no walk is remembered: the tree is put together again for each page,
    from what is known here of its spaces and what other servers have told of theirs. They are asked again only for
    the spaces on the way; what comes before a page is passed over, whatever it has become.
    """

    def __init__(self, trees: SpaceTrees, contents: SpaceContents, db: Database) -> None:
        self._trees = trees
        self._contents = contents
        self._db = db

    async def page(self, requester: Requester, room_id: RoomID, wish: HierarchyWish) -> HierarchyPage:
        """Raises Forbidden for a space that the requester may not know of, InvalidParam for a wrong token.

        Also what other servers refuse with, where the space itself is not here.
        """
        after = None if wish.start is None else _parse(wish)
        place = _Place(after, after)
        tour = await self._trees.tour(requester, room_id, wish)
        rooms: list[Described | ToldRoom] = []
        # What nobody may see is passed over, so there may be more to read for a page.
        while not place.is_cut and (upcoming := await self._take(tour, place, wish.limit - len(rooms))):
            rooms += await self._visible(tour, upcoming)
        is_end = not place.is_cut and next(tour.walk.steps, None) is None
        end = None if is_end or place.last is None else _token(place.last, wish)
        return HierarchyPage(await self._with_children(rooms, wish), end)

    async def _take(self, tour: Tour, place: _Place, count: int) -> Sequence[Node]:
        """The next rooms, fewer where others would have to be asked for too long: there the page is cut."""
        taken: list[Node] = []
        if not count:
            return taken
        for node, path in tour.walk.steps:
            if place.after is not None and path <= place.after:
                if tour.walk.is_open(node):
                    await self._pass(tour, (node, path), place)
                if place.is_cut:
                    break
                continue
            if tour.walk.is_open(node):
                await self._reach(tour, (node, path), count - len(taken))
                # A page gets on by one room at least.
                if tour.walk.is_open(node) and place.last != place.after:
                    place.is_cut = True
                    break
            place.last = path
            taken.append(node)
            if len(taken) == count:
                break
        return taken

    async def _pass(self, tour: Tour, step: tuple[Node, Path], place: _Place) -> None:
        """A room that an earlier page had; others are asked for it only if this page begins in it."""
        if place.is_on_way(step[1]):
            await self._trees.learn(tour, [step], is_fresh=False)
            if tour.walk.is_open(step[0]):
                await self._trees.ask(tour, [step])
            # What was learned until then is remembered for whoever comes with the same token.
            place.is_cut = tour.walk.is_open(step[0])
            return
        ahead = [other for other in tour.walk.ahead(LARGEST_PAGE) if place.is_behind(other[1])]
        await self._trees.learn(tour, [step, *ahead], is_fresh=False)
        for node, _ in (step, *ahead):
            tour.walk.told.setdefault(node, None)

    async def _reach(self, tour: Tour, step: tuple[Node, Path], count: int) -> None:
        """A room that others tell of; they are asked at once for those of the next rooms, too."""
        steps = [step, *tour.walk.ahead(count - 1)]
        await self._trees.learn(tour, steps, is_fresh=True)
        if tour.walk.is_open(step[0]):
            await self._trees.ask(tour, [other for other in steps if tour.walk.is_open(other[0])])

    async def _visible(self, tour: Tour, nodes: Sequence[Node]) -> list[Described | ToldRoom]:
        """Those of the rooms that the visitor may see."""
        here = [node.room for node in nodes if isinstance(node, Child) and node.room is not None]
        found = await self._db.read(descriptions_of, here) if here else {}
        visible = {nid: room for nid, room in found.items() if tour.visitor.may_preview(room)}
        rooms = [
            visible.get(node.room)
            if isinstance(node, Child) and node.room is not None
            else tour.walk.told.get(node)
            for node in nodes
        ]
        return [room for room in rooms if room is not None]

    async def _with_children(
        self, rooms: Sequence[Described | ToldRoom], wish: HierarchyWish
    ) -> list[HierarchyRoom | ToldRoom]:
        spaces = [room.says.room for room in rooms if isinstance(room, Described) and is_space(room)]
        contents = await self._contents.of(spaces) if spaces else {}
        children = {space: [child.event for child in wanted(contents[space], wish)] for space in spaces}
        nids = [event for space in spaces for event in children[space]]
        events = await self._db.read(events_of, nids) if nids else {}
        return [
            HierarchyRoom(
                room, [events[event] for event in children.get(room.says.room, ()) if event in events]
            )
            if isinstance(room, Described)
            else room
            for room in rooms
        ]


def _parse(wish: HierarchyWish) -> Path:
    match = _TOKEN.fullmatch(wish.start or "")
    if match is None:
        raise InvalidParam("from is no token of this server")
    if (int(match[2]), match[3] == "1") != (wish.max_depth, wish.suggested_only):
        raise InvalidParam("max_depth and suggested_only cannot change from page to page")
    return tuple(int(place) for place in match[1].split(".")) if match[1] else ()


def _token(last: Path, wish: HierarchyWish) -> str:
    return f"h{'.'.join(map(str, last))}_{wish.max_depth}_{int(wish.suggested_only)}"
