"""Asking services about users and aliases of their namespaces, so that they make them.

https://spec.matrix.org/v1.19/application-service-api/#querying
"""

import logging

from appservices.calls import ServiceCalls, ServiceFailed
from appservices.registration import AppService
from appservices.services import Services
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.profiles import Profiles
from homeserver.accounts.remote_profiles import RemoteProfiles
from homeserver.protocol.identifiers import RoomAlias, UserID
from homeserver.protocol.json import JsonObject

log = logging.getLogger(__name__)


class ServiceQueries:
    """Implements `homeserver.rooms.asked_of_services.MadeOnDemand`."""

    def __init__(self, services: Services, calls: ServiceCalls, accounts: Accounts) -> None:
        self._services = services
        self._calls = calls
        self._accounts = accounts

    async def make_user(self, user_id: UserID) -> bool:
        """See `MadeOnDemand`."""
        asked = [one for one in self._reachable() if one.users.match(user_id)]
        if not asked or await self._accounts.is_taken(user_id):
            return False
        for service in asked:
            if await self._knows_user(service, user_id):
                return True
        return False

    async def make_alias(self, alias: RoomAlias) -> bool:
        """See `MadeOnDemand`."""
        for service in self._reachable():
            if service.aliases.match(alias) and await self._knows_alias(service, alias):
                return True
        return False

    def _reachable(self) -> list[AppService]:
        return [service for service in self._services.all if service.registration.url is not None]

    async def _knows_user(self, service: AppService, user_id: UserID) -> bool:
        try:
            return await self._calls.has_user(service, user_id)
        except ServiceFailed as error:
            log.warning("%s could not be asked about %s: %s", service.id, user_id, error)
            return False

    async def _knows_alias(self, service: AppService, alias: RoomAlias) -> bool:
        try:
            return await self._calls.has_alias(service, alias)
        except ServiceFailed as error:
            log.warning("%s could not be asked about %s: %s", service.id, alias, error)
            return False


class ProfilesOnDemand:
    """Profiles that are not here: of users whom a service makes, or of other servers (`RemoteProfiles`)."""

    def __init__(self, queries: ServiceQueries, profiles: Profiles, others: RemoteProfiles) -> None:
        self._queries = queries
        self._profiles = profiles
        self._others = others

    async def profile(self, user_id: UserID) -> JsonObject:
        """See `RemoteProfiles`."""
        if await self._queries.make_user(user_id):
            self._profiles.forget(user_id)
            profile = await self._profiles.get(user_id)
            if profile is not None:
                return profile.as_json()
        return await self._others.profile(user_id)
