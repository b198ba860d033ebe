"""Who may come in, and as whom."""

import hmac
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from config.root import Config
from federation.x_matrix import authorization
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.address_requests import AddressRequests
from homeserver.accounts.api.account import AccountEndpoints
from homeserver.accounts.api.addresses import (
    AddressEndpoints,
    AddressRequestEndpoints,
    ConfirmationEndpoints,
)
from homeserver.accounts.api.consent import ConsentEndpoints
from homeserver.accounts.api.devices import DeviceEndpoints
from homeserver.accounts.api.fallback import FallbackEndpoints, SsoEndpoints
from homeserver.accounts.api.login import LoginEndpoints, LoginTokenEndpoints
from homeserver.accounts.api.openid import OpenIdEndpoints
from homeserver.accounts.api.profile import ProfileEndpoints
from homeserver.accounts.api.registration import RegistrationEndpoints, RegistrationTokenEndpoints
from homeserver.accounts.api.sessions import SessionEndpoints
from homeserver.accounts.authentication import TokenAuthenticator
from homeserver.accounts.consent import Consent
from homeserver.accounts.contacts import Contacts
from homeserver.accounts.devices import DeviceListener, Devices
from homeserver.accounts.fallback import stage_pages
from homeserver.accounts.identity_servers import IdentityServers
from homeserver.accounts.interactive_auth import InteractiveAuth
from homeserver.accounts.jwt_login import JwtUsers
from homeserver.accounts.last_seen import LastSeen
from homeserver.accounts.login import Login, LoginMethod
from homeserver.accounts.login_methods import JwtMethod, PasswordMethod, TokenMethod
from homeserver.accounts.login_tokens import LoginTokens
from homeserver.accounts.newcomers import Newcomers, Welcome
from homeserver.accounts.openid import OpenIdTokens
from homeserver.accounts.password_login import PasswordLogin
from homeserver.accounts.password_reset import PasswordReset
from homeserver.accounts.passwords import PasswordHasher
from homeserver.accounts.profile_rules import Acquaintance, ProfileRules
from homeserver.accounts.profiles import ProfileEditor, ProfileListener, Profiles
from homeserver.accounts.reauthentication import Reauthentication
from homeserver.accounts.recaptcha import Recaptcha
from homeserver.accounts.registration import Admission, Usernames
from homeserver.accounts.registration_flows import RegistrationStages, registration_flows
from homeserver.accounts.registration_tokens import RegistrationTokens
from homeserver.accounts.remote_profiles import RemoteProfiles
from homeserver.accounts.reserved_names import ReservedNames
from homeserver.accounts.sessions import Sessions
from homeserver.accounts.stages import EmailStage, RecaptchaStage, RegistrationTokenStage, TermsStage
from homeserver.accounts.token_cache import TokenCache
from homeserver.accounts.validations import Validations
from homeserver.admin.account_moderation import AccountModeration
from homeserver.admin.api.moderation import AccountModerationEndpoints
from homeserver.admin.api.rate_limits import UserRateLimitEndpoints
from homeserver.admin.api.registration import SharedSecretEndpoints
from homeserver.admin.api.whois import WhoisEndpoints
from homeserver.admin.shared_secret_registration import Nonces, SharedSecretRegistration
from homeserver.app import shares
from homeserver.app.core import Contribution, Core
from homeserver.email.mailer import Mailer
from homeserver.email.smtp import SmtpSender
from homeserver.http.outbound import Outbound
from homeserver.http.outbound_tls import Trust
from homeserver.protocol.json import JsonObject
from homeserver.protocol.signing import SigningKey
from homeserver.runtime.tasks import Every
from homeserver.templates.pages import Pages
from homeserver.templates.rendering import Templates


class AccountParts:
    """Who may come in, and as whom."""

    def __init__(
        self, core: Core, listener: DeviceListener, reserved: ReservedNames, signing_key: SigningKey
    ) -> None:
        self._core = core
        self._reserved = reserved
        config, db, clock, randomness = core.config, core.db, core.clock, core.around.randomness
        domain = core.domains.default
        hasher = PasswordHasher(core.password_threads, config.passwords)
        cache = TokenCache()
        self._last_seen = LastSeen(db)
        self._consent = Consent(
            config.terms, core.domains, config.server.base_url, _form_secret(config, signing_key)
        )
        self.authenticator = TokenAuthenticator(db, cache, self._last_seen, self._consent, clock)
        self.profiles = Profiles(db, core.budget(shares.PROFILES))
        self.accounts = Accounts(db, hasher, self.profiles, cache, listener, clock)
        self._sessions = Sessions(db, cache, clock, randomness, config.sessions)
        self.devices = Devices(db, cache, self._last_seen, listener)
        self._login = PasswordLogin(db, hasher, core.domains, core.limiter, config.rate_limits)
        self._interactive_auth = InteractiveAuth(db, clock, randomness)
        self.reauthentication = Reauthentication(
            self._interactive_auth,
            self._login,
            config.passwords,
            db,
            clock,
            config.sessions.proof_lifetime,
        )
        self._openid = OpenIdTokens(db, clock, randomness)
        self._validations = Validations(
            db,
            clock,
            randomness,
            config.addresses,
            config.email.validation_token_lifetime,
            config.server.base_url,
        )
        self.identity_servers = IdentityServers(
            core.outbound,
            lambda method, uri, destination, content: authorization(
                method, uri, domain, destination, signing_key, content
            ),
        )
        self._contacts = Contacts(db, self._validations, self.identity_servers, config.addresses, clock)
        self._templates = Templates(config.templates.directory, domain)
        self._pages = Pages(self._templates, randomness)
        self._registration_tokens = RegistrationTokens(db, clock, randomness)

    def part(
        self,
        listener: ProfileListener,
        welcome: Welcome,
        remote_profiles: RemoteProfiles,
        acquaintance: Acquaintance,
        login_methods: Sequence[LoginMethod],
    ) -> Contribution:
        """`listener` is told of every new name and picture; `welcome` shows new users in.

        `login_methods` are those of other parts.
        """
        config, randomness = self._core.config, self._core.around.randomness
        reauthentication = self.reauthentication
        newcomers = Newcomers(self.accounts, welcome, self._core.clock)
        usernames = Usernames(
            self.accounts, self._core.domains, randomness, config.registration, self._reserved
        )
        admission = Admission(config.registration, self._core.limiter, config.rate_limits.registration)
        nonces = Nonces(self._core.clock, randomness)
        by_secret = SharedSecretRegistration(config.registration.shared_secret, nonces, usernames, newcomers)
        moderation = AccountModeration(self.accounts, self._core.domains)
        editor = ProfileEditor(self._core.db, self.profiles, listener)
        return Contribution(
            [
                *self._login_endpoints(reauthentication, newcomers, login_methods),
                OpenIdEndpoints(self._openid),
                SessionEndpoints(self._sessions, self.devices),
                *self._registration_endpoints(admission, usernames, newcomers),
                *self._address_endpoints(admission, reauthentication),
                DeviceEndpoints(self.devices, reauthentication),
                ProfileEndpoints(
                    self.profiles,
                    editor,
                    ProfileRules(config.people, self._core.users, acquaintance),
                    remote_profiles,
                ),
                SharedSecretEndpoints(by_secret, nonces, self._sessions),
                AccountModerationEndpoints(moderation),
                UserRateLimitEndpoints(moderation, self.accounts),
                WhoisEndpoints(moderation, self.devices),
            ],
            [
                Every("last seen", timedelta(minutes=2), self._last_seen.flush),
                Every("expired tokens", timedelta(hours=6), self._sessions.forget_expired),
                Every("expired short-lived tokens", timedelta(hours=1), self._openid.forget_expired),
                Every("abandoned authentication", timedelta(hours=1), self._interactive_auth.forget_expired),
                Every("old confirmations", timedelta(hours=1), self._validations.forget_expired),
            ],
            [self._last_seen.flush],
        )

    def _registration_endpoints(
        self, admission: Admission, usernames: Usernames, newcomers: Newcomers
    ) -> Sequence[object]:
        config, domain = self._core.config, self._core.domains.default
        stages = self._registration_stages()
        directory = None if config.terms.template_dir is None else Path(config.terms.template_dir)
        return [
            RegistrationEndpoints(
                admission,
                usernames,
                self._interactive_auth,
                registration_flows(config.registration, stages),
                newcomers,
                self._sessions,
                self.authenticator,
                config.passwords.policy,
            ),
            RegistrationTokenEndpoints(admission, self._registration_tokens),
            FallbackEndpoints(self._interactive_auth, stage_pages(stages), self._pages),
            SsoEndpoints(self._pages),
            ConsentEndpoints(
                config.terms.version, directory, domain, self._consent, self.accounts, self._pages
            ),
        ]

    def _registration_stages(self) -> RegistrationStages:
        config, settings = self._core.config, self._core.config.registration
        recaptcha = None
        if settings.captcha and settings.recaptcha_public_key and settings.recaptcha_private_key:
            # The operator wrote the URL, so it may lead anywhere.
            verifier = Recaptcha(
                Outbound(self._core.around.reactor, None, Trust()),
                settings.recaptcha_siteverify_api,
                settings.recaptcha_private_key,
            )
            recaptcha = RecaptchaStage(verifier, settings.recaptcha_public_key)
        terms = TermsStage(config.terms, config.server.base_url) if config.terms.at_registration else None
        return RegistrationStages(
            token=RegistrationTokenStage(self._registration_tokens),
            recaptcha=recaptcha,
            terms=terms,
            email=EmailStage(self._validations, "registration") if config.email.enabled else None,
        )

    def _address_endpoints(
        self, admission: Admission, reauthentication: Reauthentication
    ) -> Sequence[object]:
        core, config = self._core, self._core.config
        mailer = reset_stage = None
        if config.email.enabled:
            mailer = Mailer(
                config.email,
                self._templates,
                SmtpSender(config.email, core.around.reactor),
                core.clock,
                core.around.randomness,
                core.domains.default,
            )
            reset_stage = EmailStage(self._validations, "password_reset")
        requests = AddressRequests(
            core.db,
            self._validations,
            mailer,
            config.addresses,
            config.email,
            core.limiter,
            config.rate_limits.third_party_validation,
        )
        reset = PasswordReset(core.db, self._interactive_auth, reset_stage)
        policy = config.passwords.policy
        return [
            AddressRequestEndpoints(requests, admission, self._contacts),
            AddressEndpoints(self._contacts, reauthentication),
            ConfirmationEndpoints(self._validations, self._pages),
            AccountEndpoints(self.accounts, self._contacts, reauthentication, reset, policy),
        ]

    def _login_endpoints(
        self, reauthentication: Reauthentication, newcomers: Newcomers, others: Sequence[LoginMethod]
    ) -> Sequence[object]:
        core, config = self._core, self._core.config
        methods: list[LoginMethod] = []
        if config.passwords.for_login:
            methods.append(PasswordMethod(self._login))
        tokens = None
        if config.login_tokens.enabled:
            tokens = LoginTokens(core.db, core.clock, core.around.randomness, config.login_tokens.timeout)
            methods.append(TokenMethod(tokens))
        if config.jwt.enabled:
            methods.append(
                JwtMethod(JwtUsers(config.jwt, self.accounts, newcomers, core.domains, core.clock))
            )
        login = Login([*methods, *others], self._sessions, core.limiter, config.rate_limits.login_per_account)
        return [
            LoginEndpoints(login, _well_known(config)),
            LoginTokenEndpoints(tokens, reauthentication if config.login_tokens.require_ui_auth else None),
        ]


def _form_secret(config: Config, signing_key: SigningKey) -> bytes:
    given = config.sessions.form_secret
    return hmac.digest(signing_key.seed, b"form_secret", "sha256") if given is None else given.encode()


def _well_known(config: Config) -> JsonObject | None:
    base_url = config.server.public_baseurl
    return None if base_url is None else {"m.homeserver": {"base_url": base_url}}
