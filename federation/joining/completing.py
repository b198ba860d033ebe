"""Fetching the members of rooms that were entered without them.

https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1stateroomid
"""

import logging

from federation.incoming.remote_states import RemoteStates
from homeserver.protocol.errors import MatrixError
from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.power_levels import CREATE
from homeserver.rooms.graph.auth_graph import UnknownEvents
from homeserver.rooms.graph.newcomer import GivenState
from homeserver.rooms.partial import PartialRooms
from homeserver.rooms.store.partial import PartialRow
from homeserver.runtime.clock import Clock
from homeserver.runtime.tasks import run_in_background

log = logging.getLogger(__name__)

_MOST_SERVERS = 10


class Completing:
    """What was fetched stays here when the server stops; the next run asks only for the rest."""

    def __init__(self, partial: PartialRooms, states: RemoteStates, clock: Clock) -> None:
        self._partial = partial
        self._states = states
        self._clock = clock
        self._under_way: set[int] = set()
        partial.listen(self._wake)

    def _wake(self) -> None:
        # Whoever enters the room finishes first.
        self._clock.call_later(0, self._begin)

    def _begin(self) -> None:
        run_in_background("members of rooms that were just joined", self.run())

    async def run(self) -> None:
        """For a task: begins with all rooms that are not whole."""
        for row in await self._partial.all():
            if row.room not in self._under_way:
                self._under_way.add(row.room)
                run_in_background(f"members of {row.room_id}", self._complete(row))

    async def _complete(self, row: PartialRow) -> None:
        try:
            join = await self._partial.join_of(row)
            for server in row.servers[:_MOST_SERVERS]:
                if await self._from(server, row, join):
                    return
        finally:
            self._under_way.discard(row.room)

    async def _from(self, server: ServerName, row: PartialRow, join: Event) -> bool:
        try:
            told = await self._states.told(join, server)
        except (MatrixError, UnknownEvents) as error:
            log.info("%s does not tell who is in %s: %s", server, row.room_id, error)
            return False
        if not _fits(join, told.given):
            log.info("%s tells of another state of %s than the join has", server, row.room_id)
            return False
        await self._partial.complete(row, told.given, told.news)
        return True


def _fits(join: Event, given: GivenState) -> bool:
    """Whether it can be the state before the join, which cites parts of it."""
    return CREATE in given and set(join.auth_events) <= set(given.values())
