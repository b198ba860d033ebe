"""Rooms in which every new user finds themselves, as the operator wishes."""

import logging

from config.registration import AutoJoin
from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.errors import MatrixError, NotFound, RoomInUse
from homeserver.protocol.identifiers import RoomAlias, RoomID, UserID, localpart_of, server_of
from homeserver.rooms.create import CreateRoom, RoomCreator
from homeserver.rooms.directory import Directory
from homeserver.rooms.membership import MembershipChanges

log = logging.getLogger(__name__)


class AutoJoiner:
    """Implements `homeserver.accounts.newcomers.Welcome`."""

    def __init__(
        self,
        settings: AutoJoin,
        changes: MembershipChanges,
        creator: RoomCreator,
        directory: Directory,
        domains: LocalDomains,
    ) -> None:
        self._settings = settings
        self._changes = changes
        self._creator = creator
        self._directory = directory
        self._domains = domains

    async def welcome(self, user_id: UserID, *, is_guest: bool) -> None:
        """Joins the rooms, and makes those that do not exist. What fails is logged."""
        if is_guest and not self._settings.for_guests:
            return
        for alias in self._settings.rooms:
            try:
                await self._join(user_id, RoomAlias(alias), is_guest=is_guest)
            except MatrixError as error:
                # One room must not keep the user from the others.
                log.warning("%s could not be joined to %s: %s", user_id, alias, error)

    async def _join(self, user_id: UserID, alias: RoomAlias, *, is_guest: bool) -> None:
        inviter = self._inviter()
        # Guests make no rooms.
        maker = inviter or (None if is_guest else user_id)
        room_id = await self._room(alias, maker)
        if inviter is not None and self._settings.preset != "public_chat" and inviter != user_id:
            await self._changes.invite(inviter, room_id, user_id)
        await self._changes.join(user_id, room_id, is_guest=is_guest)

    async def _room(self, alias: RoomAlias, maker: UserID | None) -> RoomID:
        """Raises NotFound where there is none and none is made."""
        try:
            return await self._directory.room_of(alias)
        except NotFound:
            is_ours = server_of(alias) == self._domains.default
            if maker is None or not is_ours or not self._settings.autocreate:
                raise
        try:
            return await self._creator.create(maker, self._wish(alias))
        except RoomInUse:
            # Somebody who registered at the same time made it.
            return await self._directory.room_of(alias)

    def _wish(self, alias: RoomAlias) -> CreateRoom:
        return CreateRoom(
            preset=self._settings.preset,
            room_alias_name=localpart_of(alias),
            creation_content={} if self._settings.federated else {"m.federate": False},
        )

    def _inviter(self) -> UserID | None:
        localpart = self._settings.localpart
        return None if localpart is None else self._domains.full_user_id(localpart)
