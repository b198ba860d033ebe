"""What is in spaces of other servers: asked for within bounds, and remembered for a while.

https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1hierarchyroomid
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from twisted.internet.defer import Deferred, TimeoutError, gatherResults

from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.errors import MatrixError
from homeserver.protocol.identifiers import ROOM_ID, SERVER_NAME, RoomID, ServerName, server_of
from homeserver.protocol.json import JsonObject
from homeserver.rooms.space_children import order_of
from homeserver.rooms.space_walk import Link, Node
from homeserver.rooms.told_elsewhere import RemoteRooms, ToldChild, ToldSpace
from homeserver.runtime.clock import Clock
from homeserver.storage.cache import ByteBudgetCache

_PATIENCE_SECONDS = 5
_REMEMBERED_SECONDS = 300
_MOST_ASKED = 50
_MOST_SERVERS = 3
# What an answer takes in memory, roughly: by what it takes as JSON, and at least.
_BYTES_PER_BYTE = 2
_LEAST_BYTES = 500

log = logging.getLogger(__name__)


class Told(NamedTuple):
    """What was told of a room, None where nobody told; `until` is in seconds."""

    space: ToldSpace | None
    until: float


@dataclass(slots=True)
class Asking:
    """What one request may still ask others for: of how many rooms, and until when (in seconds), once it began."""

    left: int = _MOST_ASKED
    until: float | None = None


_Key = tuple[int | tuple[RoomID, tuple[ServerName, ...]], bool]


class SpacesElsewhere:
    """Remembers by whom a room was told of, so that nobody's lies are shown in spaces that do not name them."""

    def __init__(self, told: RemoteRooms, domains: LocalDomains, clock: Clock, budget: int) -> None:
        """`budget` is in bytes."""
        self._told = told
        self._domains = domains
        self._clock = clock
        self._known: ByteBudgetCache[_Key, Told] = ByteBudgetCache(budget)

    def recall(self, node: Node, *, suggested_only: bool, is_fresh: bool) -> Told | None:
        """What was told before, no longer than some minutes ago if `is_fresh`."""
        known = self._known.get(_key(node, suggested_only))
        return None if known is None or (is_fresh and known.until <= self._clock.seconds()) else known

    async def ask(
        self, nodes: Mapping[Node, Sequence[ServerName]], asking: Asking, *, suggested_only: bool
    ) -> dict[Node, ToldSpace | None]:
        """What the first of the servers tells of each room that does, all at once; None where nobody does.

        There is nothing of rooms that there was no time to ask for. What is told is sorted, and what is not wanted
        is left out.
        """
        is_first = asking.until is None
        now = self._clock.seconds()
        asking.until = now + _PATIENCE_SECONDS if asking.until is None else asking.until
        seconds = asking.until - now
        asked = list(nodes)[: asking.left] if seconds > 0 else []
        asking.left -= len(asked)
        answers = await gatherResults(
            [
                Deferred.fromCoroutine(
                    self._ask(node, nodes[node], seconds, suggested_only=suggested_only, is_last=is_first)
                )
                for node in asked
            ]
        )
        return {node: answer.space for node, answer in zip(asked, answers, strict=True) if answer is not None}

    async def _ask(
        self,
        node: Node,
        servers: Sequence[ServerName],
        seconds: float,
        *,
        suggested_only: bool,
        is_last: bool,
    ) -> Told | None:
        """`is_last` is for what is not asked again for a while where nobody tells in time; else that is None."""
        space = None
        try:
            others = outside(self._domains, node.room_id, servers)
            asked = Deferred.fromCoroutine(
                self._told.space(node.room_id, others, suggested_only=suggested_only)
            )
            asked.addTimeout(seconds, self._clock.reactor)  # type: ignore[arg-type]  # only its time is used
            space = in_order(await asked, suggested_only=suggested_only)
        except TimeoutError:
            if not is_last:
                return None
            log.info("nobody tells in time of the room %s in a space", node.room_id)
        except MatrixError as error:
            log.info("nobody tells of the room %s in a space: %s", node.room_id, error)
        answer = Told(space, self._clock.seconds() + _REMEMBERED_SECONDS)
        size = _LEAST_BYTES + (0 if space is None else _BYTES_PER_BYTE * len(msgspec.json.encode(space)))
        self._known.put(_key(node, suggested_only), answer, size)
        return answer


def outside(domains: LocalDomains, room_id: RoomID, servers: Sequence[ServerName]) -> list[ServerName]:
    """The other servers that can be asked for a room."""
    # Room IDs of version 12 name no server.
    named = [*servers, *([server_of(room_id)] if ":" in room_id else [])]
    return list(dict.fromkeys(name for name in named if not domains.speaks_for(name)))


def in_order(space: ToldSpace, *, suggested_only: bool) -> ToldSpace:
    """What a server tells, with the children that are some, as clients sort them.

    https://spec.matrix.org/v1.19/client-server-api/#ordering-of-children-within-a-space
    """
    wanted = [
        child
        for child in space.room.children_state
        if _is_child(child) and (not suggested_only or child.content.get("suggested") is True)
    ]
    room = msgspec.structs.replace(space.room, children_state=sorted(wanted, key=_place))
    return ToldSpace(room, space.children, space.closed, space.server)


def links(space: ToldSpace) -> list[Link]:
    """What a server puts into a space."""
    if space.room.room_type != "m.space":
        return []
    # What is told of rooms that are no children is not looked at.
    told = {room.room_id: ToldSpace(room, (), (), space.server) for room in reversed(space.children)}
    return [
        Link(
            RoomID(child.state_key),
            (*servers_of(child.content), space.server),
            told.get(RoomID(child.state_key)),
        )
        for child in space.room.children_state
    ]


def servers_of(content: JsonObject) -> list[ServerName]:
    """Those that are in a room, as what puts it into a space says."""
    via = content.get("via")
    names = [name for name in via if isinstance(name, str)] if isinstance(via, list) else []
    return [ServerName(name) for name in names if SERVER_NAME.fullmatch(name)][:_MOST_SERVERS]


def _is_child(child: ToldChild) -> bool:
    via = child.content.get("via")
    is_named = ROOM_ID.fullmatch(child.state_key) is not None
    return child.type == "m.space.child" and is_named and isinstance(via, list) and bool(via)


def _place(child: ToldChild) -> tuple[bool, str, int, str]:
    order = order_of(child.content)
    return order is None, order or "", child.origin_server_ts, child.state_key


def _key(node: Node, suggested_only: bool) -> _Key:
    return (node.room_id, node.servers) if isinstance(node, Link) else node.event, suggested_only
