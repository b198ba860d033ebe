"""The way through the rooms below a space, depth first, while it is still being found out what is in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from homeserver.protocol.identifiers import RoomID, ServerName
from homeserver.rooms.store.hierarchy import Child
from homeserver.rooms.told_elsewhere import ToldRoom, ToldSpace

Path = tuple[int, ...]
"""Where a room is in a tree: the places, from 0, among the children of each space above it; () is the root.

In the order of a walk, what comes later is greater.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """What puts a room that is not known here into a space elsewhere; `told` is what came with it of the room alone."""

    room_id: RoomID
    servers: tuple[ServerName, ...]
    told: ToldSpace | None = None


Node = Child | Link


@dataclass(slots=True)
class _Level:
    """The rooms in a space, of which the first `passed` are behind."""

    path: Path
    nodes: Sequence[Node]
    passed: int = 0


class SpaceWalk:
    """`below` may be added to until the step after that to the space. `grown` are the depths of spaces in it."""

    def __init__(self, root: Node, max_depth: int) -> None:
        self.max_depth = max_depth
        self.below: dict[int | Node, Sequence[Node]] = {}
        self.grown: dict[int, int] = {}
        # Of the rooms that are not known here, what may be shown.
        self.told: dict[Node, ToldRoom | None] = {}
        self._levels: list[_Level] = []
        self._seen: set[RoomID] = set()
        self.steps = self._steps(root)

    def _steps(self, root: Node) -> Iterator[tuple[Node, Path]]:
        """The rooms, each where it comes first."""
        self._seen.add(root.room_id)
        yield root, ()
        self._enter(root, ())
        while self._levels:
            level = self._levels[-1]
            if level.passed == len(level.nodes):
                self._levels.pop()
                continue
            node, path = level.nodes[level.passed], (*level.path, level.passed)
            level.passed += 1
            if node.room_id not in self._seen:
                self._seen.add(node.room_id)
                yield node, path
                self._enter(node, path)

    def _enter(self, node: Node, path: Path) -> None:
        below = self.below.get(_key(node))
        if below and len(path) < self.max_depth:
            self._levels.append(_Level(path, below))

    def is_open(self, node: Node) -> bool:
        """Whether others have yet to tell of the room."""
        return is_elsewhere(node) and node not in self.told

    def ahead(self, count: int) -> list[tuple[Node, Path]]:
        """Those of the next rooms, as far as they can be seen, that others have yet to tell of."""
        steps: dict[RoomID, tuple[Node, Path]] = {}
        for node, path in islice(self._upcoming(), count):
            if self.is_open(node) and node.room_id not in self._seen:
                steps.setdefault(node.room_id, (node, path))
        return list(steps.values())

    def _upcoming(self) -> Iterator[tuple[Node, Path]]:
        for level in reversed(self._levels):
            for place in range(level.passed, len(level.nodes)):
                yield level.nodes[place], (*level.path, place)


def is_elsewhere(node: Node) -> bool:
    return isinstance(node, Link) or node.room is None


def _key(node: Node) -> int | Node:
    return node if isinstance(node, Link) or node.room is None else node.room
