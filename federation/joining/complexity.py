"""Rooms of other servers that are too much for this one."""

from collections.abc import Sequence

from config.rooms import RemoteRoomLimit
from federation.client.queries import QueryCalls
from federation.joining.attempts import first_answer
from homeserver.accounts.store.accounts import account_by_user_id
from homeserver.protocol.errors import MatrixError, ResourceLimitExceeded
from homeserver.protocol.identifiers import RoomID, ServerName, UserID
from homeserver.storage.database import Database


class ComplexityLimit:
    def __init__(self, settings: RemoteRoomLimit, queries: QueryCalls, db: Database) -> None:
        self._settings = settings
        self._queries = queries
        self._db = db

    async def check(self, user_id: UserID, room_id: RoomID, servers: Sequence[ServerName]) -> None:
        """Raises ResourceLimitExceeded where one of the servers says that the room is too much.

        A room of which none says anything may be joined: most software does not know the question.
        """
        if not self._settings.enabled or await self._is_exempt(user_id):
            return

        async def by(server: ServerName) -> float:
            return await self._queries.complexity(server, room_id)

        try:
            complexity = await first_answer(servers, by)
        except MatrixError:
            return
        if complexity > self._settings.complexity:
            raise ResourceLimitExceeded(self._settings.error)

    async def _is_exempt(self, user_id: UserID) -> bool:
        if not self._settings.admins_can_join:
            return False
        account = await self._db.read(account_by_user_id, user_id)
        return account is not None and account.is_admin
