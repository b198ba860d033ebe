"""Which room an alias names, be it of this server or of another."""

from collections.abc import Sequence

from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import RoomAlias, RoomID, ServerName
from homeserver.rooms.asked_of_services import MadeOnDemand
from homeserver.rooms.directory import Directory
from homeserver.rooms.remote import OtherServers


class AliasLookup:
    """https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1querydirectory"""

    def __init__(
        self, directory: Directory, others: OtherServers, on_demand: MadeOnDemand, domains: LocalDomains
    ) -> None:
        self._directory = directory
        self._others = others
        self._on_demand = on_demand
        self._domains = domains

    def is_local(self, alias: RoomAlias) -> bool:
        return self._domains.is_local(alias)

    async def find(self, alias: RoomAlias) -> tuple[RoomID, Sequence[ServerName]]:
        """The room, and servers that are in it. Raises NotFound, and what the alias' server says."""
        if self._domains.is_local(alias):
            return await self._local(alias), [self._domains.default]
        return await self._others.resolve(alias)

    async def _local(self, alias: RoomAlias) -> RoomID:
        try:
            return await self._directory.room_of(alias)
        except NotFound:
            if not await self._on_demand.make_alias(alias):
                raise
        return await self._directory.room_of(alias)
