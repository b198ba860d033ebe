"""Client API: /sync."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from homeserver.account_data.filters import Filters
from homeserver.ephemeral.presence.state import StateName as Presence
from homeserver.ephemeral.presence.state import state_named
from homeserver.ephemeral.presence.tracking import PresenceTracker
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.filters import Filter, parse_filter
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.rooms.timeline import parse_sync_token
from homeserver.sync.answer import StateName
from homeserver.sync.old import initial_answer, initial_filter
from homeserver.sync.sync import Syncer, SyncWish


class SyncQuery(msgspec.Struct):
    """`timeout` is in milliseconds, `filter` the JSON of a filter or the ID of a stored one."""

    filter: str | None = None
    since: str | None = None
    full_state: bool = False
    set_presence: Presence = "online"
    timeout: int = 0
    use_state_after: bool = False
    use_msc4222: bool = msgspec.field(name="org.matrix.msc4222.use_state_after", default=False)

    @property
    def state_name(self) -> StateName:
        if self.use_state_after:
            return "state_after"
        return "org.matrix.msc4222.state_after" if self.use_msc4222 else "state"


class InitialSyncQuery(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=0)] = 10
    archived: bool = False


class SyncEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync"""

    def __init__(
        self, syncer: Syncer, filters: Filters, presence: PresenceTracker, hidden_rooms: Sequence[str]
    ) -> None:
        """Nobody is told anything of `hidden_rooms`."""
        self._hidden_rooms = hidden_rooms
        self._syncer = syncer
        self._filters = filters
        self._presence = presence

    @endpoint("GET", "/_matrix/client/(v3|r0)/sync", auth=Auth.GUEST, limit=Limit.NONE, waits=True)
    async def sync(self, requester: Requester, query: SyncQuery) -> msgspec.Raw:
        """What happened since the client last asked; waits up to `timeout` milliseconds for something."""
        since, received = (None, 0) if query.since is None else parse_sync_token(query.since)
        wish = SyncWish(
            since=since,
            received=received,
            timeout=max(0, query.timeout) / 1000,
            full_state=query.full_state,
            state_name=query.state_name,
            filter=self._without_hidden(await self._filter(requester, query.filter)),
        )
        await self._presence.begin_sync(requester, state_named(query.set_presence))
        try:
            return await self._syncer.sync(requester, wish)
        finally:
            self._presence.end_sync(requester)

    @endpoint("GET", "/_matrix/client/(v3|r0)/initialSync", auth=Auth.USER, limit=Limit.NONE)
    async def initial_sync(self, requester: Requester, query: InitialSyncQuery) -> JsonObject:
        """Everything that a client needs to begin with; deprecated."""
        wish = SyncWish(
            since=None,
            received=0,
            timeout=0,
            full_state=False,
            state_name="state_after",
            filter=self._without_hidden(initial_filter(query.limit, query.archived)),
        )
        return initial_answer(decode_json(await self._syncer.sync(requester, wish)))

    def _without_hidden(self, wish: Filter) -> Filter:
        if not self._hidden_rooms:
            return wish
        return msgspec.structs.replace(wish, room=wish.room.without(self._hidden_rooms))

    async def _filter(self, requester: Requester, given: str | None) -> Filter:
        """A filter is given whole, as JSON, or by the ID that it was stored under."""
        if given is None:
            return Filter()
        if not given.startswith("{"):
            return await self._filters.get(requester.user_nid, given)
        try:
            return parse_filter(decode_json(given))
        except ValueError as error:
            raise InvalidParam("The filter is not JSON") from error
