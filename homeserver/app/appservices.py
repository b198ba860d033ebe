"""Bots and bridges."""

from appservices.authentication import ServiceAuthenticator
from appservices.login import ServiceMethod
from appservices.registration import read_registrations
from appservices.services import Services
from homeserver.app.accounts import AccountParts
from homeserver.app.core import Core


class AppServiceParts:
    """Bots and bridges. Raises ConfigError where a registration file cannot be used."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.services = Services(core.domains.default, read_registrations(core.config.app_services.files))

    def login_method(self, accounts: AccountParts) -> ServiceMethod:
        return ServiceMethod(self.services, accounts.accounts, self._core.domains)

    def authenticator(self, accounts: AccountParts) -> ServiceAuthenticator:
        return ServiceAuthenticator(
            self.services, accounts.authenticator, accounts.accounts, accounts.devices
        )
