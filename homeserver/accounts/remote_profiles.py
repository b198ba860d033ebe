"""Profiles of users of other servers, which those servers tell."""

from typing import Protocol

from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject


class RemoteProfiles(Protocol):
    """Asks other servers. Implemented by `federation`."""

    async def profile(self, user_id: UserID) -> JsonObject:
        """All of the profile. Raises NotFound, for users of this server, too, and RemoteFailed."""


class NoRemoteProfiles:
    """For those who ask nobody else."""

    async def profile(self, user_id: UserID) -> JsonObject:
        raise NotFound("There is no profile of this user here")
