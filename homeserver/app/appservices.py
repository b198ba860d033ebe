"""Bots and bridges."""

from datetime import timedelta

from appservices.api import ServiceEndpoints
from appservices.authentication import ServiceAuthenticator
from appservices.calls import ServiceCalls
from appservices.device_lists import ServiceDeviceLists
from appservices.elsewhere import ServiceElsewhere
from appservices.ephemeral import ServiceEphemeral
from appservices.files import ServiceFiles
from appservices.interest import ServiceEvents
from appservices.login import ServiceMethod
from appservices.network_lists import NetworkLists
from appservices.networks import ServiceNetworks
from appservices.pinging import Pings
from appservices.queries import ServiceQueries
from appservices.queues import Queues, TransactionSender, alive_topic
from appservices.registering import RegisteringKind
from appservices.services import Services
from appservices.store.outbox import ServiceState, state_of
from appservices.to_device import ServiceMessages
from config.root import Config
from homeserver.app.accounts import AccountParts
from homeserver.app.core import Contribution, Core
from homeserver.app.rooms import RoomParts
from homeserver.http.outbound import Outbound
from homeserver.http.outbound_tls import Trust
from homeserver.runtime.tasks import Every, run_in_background
from homeserver.storage.database import Database


def service_files(config: Config) -> ServiceFiles:
    """The registration files, for the command line too."""
    return ServiceFiles(config.app_services.files, config.app_services_path)


async def service_state(db: Database, service_id: str) -> ServiceState:
    """How far a service is behind, for the command line."""
    return await db.read(state_of, service_id)


class AppServiceParts:
    """Bots and bridges. Raises ConfigError where a registration file cannot be used."""

    def __init__(self, core: Core) -> None:
        self._core = core
        settings, domains = core.config.app_services, core.domains
        self._files = service_files(core.config)
        self.services = Services(domains.default, self._files.read())
        # Operators wrote the URLs, so they may lead anywhere.
        self._outbound = Outbound(core.around.reactor, None, Trust())
        self._calls = ServiceCalls(self._outbound, legacy_authorization=settings.legacy_authorization)
        self.networks = ServiceNetworks(self.services, self._calls, core.clock)
        self.queues = Queues(
            self.services,
            TransactionSender(self.services, self._calls, core.waiting, core.clock),
            RegisteringKind(domains.default),
            core.journal,
            core.db,
            core.clock,
            core.around.randomness,
        )
        self.ephemeral = ServiceEphemeral(self.services, self.queues.has_news, core.db, core.clock)
        self.device_lists = ServiceDeviceLists(self.services, self.queues.has_news, core.clock)
        self.messages = ServiceMessages(self.services, self.queues.has_news, core.clock)
        self.elsewhere = ServiceElsewhere(self.services, self.queues.has_news, core.clock)
        self.events = ServiceEvents(self.services, domains, self.queues.has_news, core.clock)

    def queries(self, accounts: AccountParts) -> ServiceQueries:
        return ServiceQueries(self.services, self._calls, accounts.accounts)

    def login_method(self, accounts: AccountParts) -> ServiceMethod:
        return ServiceMethod(self.services, accounts.accounts, self._core.domains)

    def authenticator(self, accounts: AccountParts) -> ServiceAuthenticator:
        return ServiceAuthenticator(
            self.services,
            accounts.authenticator,
            accounts.accounts,
            accounts.devices,
            lambda service: self._core.waiting.wake([alive_topic(service)]),
        )

    def part(self, rooms: RoomParts) -> Contribution:
        pings = Pings(self.services, self._calls, self._core.clock)
        return Contribution(
            [ServiceEndpoints(pings, NetworkLists(rooms.directory, rooms.heads))],
            [Every("what services never took", timedelta(days=1), self.queues.prune)],
            [self._close],
            [self._renew],
        )

    def _renew(self) -> None:
        """Raises ConfigError, and then all stays as it was."""
        self.services.replace(self._files.read())
        run_in_background("application services", self.queues.register())

    async def _close(self) -> None:
        self.ephemeral.stop()
        await self.queues.stop()
        await self._outbound.close()
