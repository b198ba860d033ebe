"""The composition root: builds every object of the server, in the order of their needs, and lists what runs.

Nothing but the command line and tests imports this module. Each function below builds one part of the house and
returns it with its endpoints; no part is completed later.
"""

import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.task import LoopingCall

from config.database import PostgresDatabase
from config.root import Config
from federation.api.keys import ServerKeyEndpoints
from federation.api.public_rooms import FederationPublicRoomsEndpoints
from federation.api.queries import QueryEndpoints
from federation.api.version import FederationVersionEndpoints
from federation.backoff import Backoff
from federation.client.queries import QueryCalls
from federation.discovery import Discovery
from federation.key_fetching import KeyFetcher
from federation.keyring import Keyring
from federation.notary import Notary
from federation.own_keys import OwnKeys
from federation.remote_profiles import RemoteProfileLookup
from federation.request_authentication import RequestAuthentication
from federation.server_names import AllowedServers, matches_any
from federation.service_records import Resolver, ServiceRecords, TwistedResolver
from federation.transport import Transport
from federation.well_known import WellKnown
from federation.x_matrix import authorization
from homeserver.account_data.api import AccountDataEndpoints, FilterEndpoints, TagEndpoints
from homeserver.account_data.contents import AccountData
from homeserver.account_data.filters import Filters
from homeserver.account_data.tags import Tags
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.address_requests import AddressRequests
from homeserver.accounts.api.account import AccountEndpoints
from homeserver.accounts.api.addresses import (
    AddressEndpoints,
    AddressRequestEndpoints,
    ConfirmationEndpoints,
)
from homeserver.accounts.api.devices import DeviceEndpoints
from homeserver.accounts.api.fallback import ConsentEndpoints, FallbackEndpoints, SsoEndpoints
from homeserver.accounts.api.login import LoginEndpoints, LoginTokenEndpoints
from homeserver.accounts.api.openid import OpenIdEndpoints
from homeserver.accounts.api.profile import ProfileEndpoints
from homeserver.accounts.api.registration import RegistrationEndpoints, RegistrationTokenEndpoints
from homeserver.accounts.api.sessions import SessionEndpoints
from homeserver.accounts.authentication import TokenAuthenticator
from homeserver.accounts.contacts import Contacts
from homeserver.accounts.devices import DeviceListener, Devices
from homeserver.accounts.domains import LocalDomains
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
from homeserver.accounts.sessions import Sessions
from homeserver.accounts.stages import EmailStage, RecaptchaStage, RegistrationTokenStage, TermsStage
from homeserver.accounts.token_cache import TokenCache
from homeserver.accounts.validations import Validations
from homeserver.admin.account_moderation import AccountModeration
from homeserver.admin.api.moderation import AccountModerationEndpoints
from homeserver.admin.api.registration import SharedSecretEndpoints
from homeserver.admin.api.whois import WhoisEndpoints
from homeserver.admin.shared_secret_registration import Nonces, SharedSecretRegistration
from homeserver.discovery.api import DiscoveryEndpoints
from homeserver.discovery.calls import CallEndpoints
from homeserver.discovery.third_party import NoNetworks, ThirdPartyEndpoints
from homeserver.e2ee.api.backup import BackupKeyEndpoints, BackupVersionEndpoints
from homeserver.e2ee.api.cross_signing import CrossSigningEndpoints
from homeserver.e2ee.api.dehydration import DehydrationEndpoints
from homeserver.e2ee.api.keys import KeyChangesEndpoints, KeyEndpoints
from homeserver.e2ee.api.to_device import ToDeviceEndpoints
from homeserver.e2ee.cross_signing import CrossSigning
from homeserver.e2ee.dehydration import DehydratedDevices
from homeserver.e2ee.device_list_news import ComingsAndGoings, DeviceListNews
from homeserver.e2ee.device_lists import DeviceLists
from homeserver.e2ee.ended import DeviceWatch
from homeserver.e2ee.key_backup import KeyBackup
from homeserver.e2ee.key_cache import KeyCache
from homeserver.e2ee.key_claims import KeyClaims
from homeserver.e2ee.key_lookup import KeyLookup
from homeserver.e2ee.key_stock import KeyStock
from homeserver.e2ee.key_upload import KeyUpload
from homeserver.e2ee.remote import NoOtherServers
from homeserver.e2ee.signature_upload import SignatureUpload
from homeserver.e2ee.to_device import ToDevice
from homeserver.email.mailer import Mailer
from homeserver.email.smtp import SmtpSender
from homeserver.ephemeral.api import PresenceEndpoints, ReceiptEndpoints, TypingEndpoints
from homeserver.ephemeral.presence.devices import Timeouts
from homeserver.ephemeral.presence.shared import SharedPresence
from homeserver.ephemeral.presence.tracking import PresenceTracker
from homeserver.ephemeral.read_markers import ReadMarkers
from homeserver.ephemeral.receipts import Receipts
from homeserver.ephemeral.typing_notifications import Typing
from homeserver.http.dispatch import Dispatcher
from homeserver.http.endpoint import endpoints_of
from homeserver.http.limits import RateLimiter
from homeserver.http.listeners import Listeners
from homeserver.http.openapi import OpenApiEndpoints
from homeserver.http.outbound import Outbound
from homeserver.http.outbound_addresses import AddressRules
from homeserver.http.outbound_tls import Trust
from homeserver.http.probes import ProbeEndpoints
from homeserver.http.router import Router
from homeserver.protocol.identifiers import RoomID, ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.signing import EventSigner, SigningKey
from homeserver.push.api import NotificationEndpoints, PushRuleEndpoints
from homeserver.push.judging import Judge
from homeserver.push.notifications import Notifications
from homeserver.push.notifying import Notifying
from homeserver.push.retention import OldNotifications
from homeserver.push.rules import UserRules
from homeserver.push.rulesets import Rulesets
from homeserver.push.unread import UnreadCounts
from homeserver.reports.api import ReportEndpoints
from homeserver.reports.reports import Reporting, StoredReports
from homeserver.rooms.aliases import Aliases
from homeserver.rooms.api.creation import RoomCreationEndpoints
from homeserver.rooms.api.directory import DirectoryEndpoints
from homeserver.rooms.api.membership import MembershipEndpoints
from homeserver.rooms.api.peeking import PeekingEndpoints
from homeserver.rooms.api.previews import PreviewEndpoints
from homeserver.rooms.api.public_rooms import PublicRoomsEndpoints
from homeserver.rooms.api.reading import RoomReadingEndpoints
from homeserver.rooms.api.related import ContextEndpoints, RelationEndpoints
from homeserver.rooms.api.sending import SendEndpoints
from homeserver.rooms.api.upgrade import UpgradeEndpoints
from homeserver.rooms.appends import Projection, RoomAppends
from homeserver.rooms.auto_join import AutoJoiner
from homeserver.rooms.children import RelatedEvents
from homeserver.rooms.context import Contexts
from homeserver.rooms.create import CREATABLE_VERSIONS, RoomCreator
from homeserver.rooms.descriptions import Descriptions
from homeserver.rooms.directory import Directory
from homeserver.rooms.event_lookup import EventLookup
from homeserver.rooms.expiry import ExpiredMessages, Expiry, Forgetting
from homeserver.rooms.following import Following, RoomSettings
from homeserver.rooms.guests import GuestDepartures
from homeserver.rooms.head import Heads
from homeserver.rooms.hierarchy import Hierarchies
from homeserver.rooms.ingest import Ingest
from homeserver.rooms.inviting import Inviting
from homeserver.rooms.joining import Joining
from homeserver.rooms.local_state import StateSetter
from homeserver.rooms.members import Members
from homeserver.rooms.membership import MembershipChanges
from homeserver.rooms.new_rooms import NewRooms
from homeserver.rooms.peeking import Peeking
from homeserver.rooms.previews import Previews
from homeserver.rooms.profile_news import ProfileNews
from homeserver.rooms.public_rooms import PublishedRooms
from homeserver.rooms.redactions import RedactionMarks, Redactor
from homeserver.rooms.related_redactions import RelatedRedactions
from homeserver.rooms.relation_rules import RelationRules
from homeserver.rooms.relations import Relations
from homeserver.rooms.replays import Replays
from homeserver.rooms.retention import RedactedContent
from homeserver.rooms.send import EventBuilder, EventSender
from homeserver.rooms.space_children import SpaceChildren
from homeserver.rooms.state import RoomStates
from homeserver.rooms.store.spans import Slot
from homeserver.rooms.store.transactions import delete_transactions
from homeserver.rooms.tails import Tails
from homeserver.rooms.timeline import Timelines
from homeserver.rooms.upgrade import RoomUpgrade
from homeserver.rooms.view import RoomViews
from homeserver.runtime.clock import Clock
from homeserver.runtime.locks import KeyedLocks
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.tasks import Every
from homeserver.runtime.tasks import start as start_task
from homeserver.runtime.threads import Threads
from homeserver.runtime.version import program_version
from homeserver.search.api.messages import MessageSearchEndpoints
from homeserver.search.api.mutual_rooms import MutualRoomsEndpoints
from homeserver.search.api.user_directory import UserDirectoryEndpoints
from homeserver.search.message_index import MessageIndex
from homeserver.search.messages import MessageSearch
from homeserver.search.mutual_rooms import MutualRooms
from homeserver.search.user_directory import UserDirectory
from homeserver.search.user_index import UserIndex
from homeserver.storage.database import Database, MakeThreads
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import DatabaseUnavailable, Engine
from homeserver.storage.full_text import full_text
from homeserver.storage.postgres import Postgres
from homeserver.storage.sqlite import Sqlite
from homeserver.streams.journal import Journal
from homeserver.streams.waiting import Waiting
from homeserver.sync.api import SyncEndpoints
from homeserver.sync.changes import ChangeFinder
from homeserver.sync.encryption import EncryptionNews
from homeserver.sync.ignoring import IgnoredUsers
from homeserver.sync.presence import PresenceNews
from homeserver.sync.sync import LazyMembers, Syncer
from homeserver.sync.unread import UnreadNews
from homeserver.sync.unwanted_invites import UnwantedInvites
from homeserver.templates.pages import Pages
from homeserver.templates.rendering import Templates

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 10
# Shares of the one cache budget.
_HEADS, _TAILS, _MEMBERS, _LAZY_MEMBERS = 0.22, 0.22, 0.12, 0.07
_PROFILES, _FILTERS, _REPLAYS = 0.05, 0.05, 0.05
_ROUTES, _KEYS = 0.01, 0.02
_UNREAD, _RULESETS = 0.1, 0.02
_KEY_STOCK, _INBOXES, _PUBLISHED_KEYS = 0.02, 0.02, 0.03
_SHORT_IDS = 50_000


def engine_of(config: Config) -> Engine:
    """The database that the operator named."""
    if isinstance(config.database, PostgresDatabase):
        return Postgres(config.database.arguments, readers=max(1, config.database.cp_max - 2))
    return Sqlite(config.database.path)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the server finds around itself. Tests bring their own."""

    reactor: Any
    """A Twisted reactor, with time and network, or a test's fake clock."""
    make_threads: MakeThreads
    randomness: Randomness
    resolver: Resolver | None = None
    """Who knows SRV records; None stands for the nameservers of the machine."""


@dataclass(frozen=True, slots=True)
class _Core:
    config: Config
    clock: Clock
    around: Surroundings
    db: Database
    waiting: Waiting
    journal: Journal
    users: Dictionary[UserID]
    domains: LocalDomains
    limiter: RateLimiter
    password_threads: Threads
    outbound: Outbound
    """For URLs that users or other servers named."""

    def budget(self, share: float) -> int:
        return int(self.config.caches.budget * share)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a part of the house adds to the whole."""

    endpoints: Sequence[object] = ()
    tasks: Sequence[Every] = ()
    endings: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    """What is done last, when nobody asks any more."""


def build(config: Config, engine: Engine, signing_key: SigningKey, around: Surroundings) -> "Server":
    """The whole server, not yet started, on a database that is up to date."""
    core = _core(config, engine, around)
    federation = _Federation(core, signing_key)
    memberships = _Memberships(core)
    encryption = _Encryption(core, memberships)
    accounts = _Accounts(core, encryption.watch, signing_key)
    presence = _Presence(core)
    account_data, receipts = AccountData(core.db, core.journal), Receipts(core.journal)
    push = _Push(core, account_data, receipts)
    user_index = UserIndex(core.db, core.domains)
    message_index = [MessageIndex()] if config.search.enabled else []
    projections: list[Projection] = [
        *message_index,
        user_index,
        presence.tracker,
        push.notifying,
        encryption.moves,
    ]
    rooms = _Rooms(
        core,
        memberships,
        accounts.profiles,
        account_data,
        signing_key,
        projections,
        [push.rules],
        message_index,
    )
    talk = _Talk(core, rooms, presence, account_data, receipts, push, encryption)
    people = _People(core, accounts, rooms, user_index)
    parts = (
        _discovery(core),
        accounts.part(rooms.profile_news, rooms.auto_joiner, federation.profiles, memberships.members),
        rooms.part(),
        push.part(),
        encryption.part(accounts.reauthentication),
        talk.part(),
        people.part(),
        federation.part(accounts.profiles, rooms),
    )
    endpoints = [endpoint for part in parts for owner in part.endpoints for endpoint in endpoints_of(owner)]
    openapi = OpenApiEndpoints(program_version(), endpoints)
    dispatcher = Dispatcher(
        Router([*endpoints, *endpoints_of(openapi)]),
        accounts.authenticator,
        core.limiter,
        config.rate_limits,
        core.clock,
        federation.authentication,
    )
    starts = [
        talk.start_at,
        rooms.start_at,
        push.start_at,
        encryption.start_at,
        presence.tracker.start_at,
    ]
    return Server(core, dispatcher, starts, parts)


def _core(config: Config, engine: Engine, around: Surroundings) -> _Core:
    clock = Clock(around.reactor)
    db = Database(engine, around.make_threads)
    waiting = Waiting(clock)
    return _Core(
        config=config,
        clock=clock,
        around=around,
        db=db,
        waiting=waiting,
        journal=Journal(db, waiting),
        users=Dictionary(db, "known_user", ("user_id",), _SHORT_IDS),
        domains=LocalDomains(ServerName(config.server.server_name)),
        limiter=RateLimiter(clock),
        # Each hash takes tens of MB for as long as it runs, so there are never more than two.
        password_threads=around.make_threads("passwords", 2),
        outbound=Outbound(
            around.reactor,
            AddressRules(config.outbound.ip_range_blocklist, config.outbound.ip_range_allowlist),
            Trust(),
            config.outbound.user_agent_suffix,
        ),
    )


def _discovery(core: _Core) -> _Part:
    discovery = DiscoveryEndpoints(
        server_name=core.config.server.server_name,
        base_url=core.config.server.public_baseurl,
        serve_server_wellknown=core.config.server.serve_server_wellknown,
        support=core.config.support,
        default_room_version=core.config.rooms.default_version,
        room_versions=CREATABLE_VERSIONS,
        fixed_profile_fields=core.config.people.fixed_fields,
        switches={
            "m.set_displayname": core.config.people.set_displayname,
            "m.set_avatar_url": core.config.people.set_avatar_url,
            "m.change_password": core.config.passwords.for_reauth,
            "m.3pid_changes": core.config.addresses.can_change,
            "m.get_login_token": core.config.login_tokens.enabled,
            "m.forget_forced_upon_leave": core.config.rooms.forget_on_leave,
        },
    )
    calls = CallEndpoints(core.config.turn, core.clock)
    return _Part([discovery, calls, ThirdPartyEndpoints(NoNetworks()), ProbeEndpoints()])


class _Memberships:
    """Who is in which room: asked from below and from above the rooms, and so made before them."""

    def __init__(self, core: _Core) -> None:
        self.heads = Heads(core.db, core.budget(_HEADS))
        self.members = Members(
            core.db,
            core.users,
            self.heads,
            core.budget(_MEMBERS),
            forget_on_leave=core.config.rooms.forget_on_leave,
        )


class _Encryption:
    """End-to-end encryption: what devices tell each other, and of themselves."""

    def __init__(self, core: _Core, memberships: _Memberships) -> None:
        self._core = core
        db, journal, clock, domains = core.db, core.journal, core.clock, core.domains
        others = NoOtherServers()
        self.moves = ComingsAndGoings()
        cache = KeyCache(core.budget(_PUBLISHED_KEYS))
        self._lists = DeviceLists(journal, memberships.members, cache, clock)
        self._list_news = DeviceListNews(self._lists, self.moves)
        self._stock = KeyStock(db, journal, core.budget(_KEY_STOCK))
        self._to_device = ToDevice(db, journal, domains, others, clock, core.budget(_INBOXES))
        self._claims = KeyClaims(db, self._stock, domains, others, clock)
        self.watch = DeviceWatch(db, self._lists, clock)
        self.news = EncryptionNews(db, self._to_device, self._list_news, self._stock)
        self._signatures = SignatureUpload(db, self._lists, core.users, domains, others)
        upload = KeyUpload(self._lists, self._stock)
        backup = KeyBackup(db)
        self._endpoints = [
            KeyEndpoints(upload, KeyLookup(db, cache, domains, others), self._claims),
            KeyChangesEndpoints(self._list_news, memberships.members, journal, db),
            ToDeviceEndpoints(self._to_device),
            BackupVersionEndpoints(backup),
            BackupKeyEndpoints(backup),
            DehydrationEndpoints(DehydratedDevices(db, journal, self._lists)),
        ]

    def start_at(self, position: int) -> None:
        self.moves.start_at(position)
        self._lists.start_at(position)
        self._stock.start_at(position)
        self._to_device.start_at(position)

    def part(self, reauthentication: Reauthentication) -> _Part:
        cross_signing = CrossSigning(self._core.db, self._lists)
        return _Part(
            [*self._endpoints, CrossSigningEndpoints(cross_signing, self._signatures, reauthentication)],
            [
                Every("claimed keys", timedelta(days=1), self._claims.forget_claimed),
                Every("received messages", timedelta(seconds=1), self._to_device.delete_received),
                Every("requests to devices", timedelta(hours=1), self._to_device.forget_requests),
                Every("keys of ended devices", timedelta(hours=1), self.watch.clean_up),
            ],
            [self._to_device.delete_received],
        )


class _Federation:
    """Speaking to other servers, and knowing who they are."""

    def __init__(self, core: _Core, signing_key: SigningKey) -> None:
        self._core = core
        config, clock, randomness = core.config.federation, core.clock, core.around.randomness
        signer = EventSigner(core.domains.default, signing_key)
        self._outbound = _federation_outbound(core.config, core.around.reactor)
        resolver = core.around.resolver or TwistedResolver(core.around.reactor)
        discovery = Discovery(
            WellKnown(self._outbound, clock, randomness, core.budget(_ROUTES)),
            ServiceRecords(resolver, clock, randomness, core.budget(_ROUTES)),
        )
        allowed, backoff = AllowedServers(config), Backoff(config, clock, randomness)
        self.transport = Transport(signer, discovery, self._outbound, allowed, backoff, config)
        self._own_keys = OwnKeys(signer, config.old_signing_keys, config.key_refresh_interval, clock)
        self._threads = core.around.make_threads("signatures", 2)
        self.keyring = Keyring(
            (core.domains.default, self._own_keys.all()),
            KeyFetcher(self.transport, config.trusted_key_servers, clock),
            core.db,
            self._threads,
            clock,
            core.budget(_KEYS),
        )
        self.profiles = RemoteProfileLookup(QueryCalls(self.transport), core.domains)
        self.authentication = RequestAuthentication(core.domains.default, self.keyring, allowed, backoff)

    def part(self, profiles: Profiles, rooms: "_Rooms") -> _Part:
        core, config = self._core, self._core.config
        notary = Notary(self._own_keys, self.keyring, core.db)
        return _Part(
            [
                FederationVersionEndpoints(),
                ServerKeyEndpoints(self._own_keys, notary, core.clock),
                QueryEndpoints(
                    profiles,
                    rooms.directory,
                    core.domains,
                    shows_profiles=config.federation.allow_profile_lookup,
                ),
                FederationPublicRoomsEndpoints(
                    rooms.published, config.room_directory, is_shown=config.federation.allow_public_rooms
                ),
            ],
            [Every("old keys of servers", timedelta(days=1), self.keyring.forget_old)],
            [self._close],
        )

    async def _close(self) -> None:
        self._threads.stop()
        await self._outbound.close()


def _federation_outbound(config: Config, reactor: Any) -> Outbound:
    settings = config.outbound
    rules = AddressRules(settings.ip_range_blocklist, settings.ip_range_allowlist)
    if settings.federation_ip_range_blocklist is not None:
        rules = AddressRules(settings.federation_ip_range_blocklist)
    federation = config.federation
    unverified = matches_any(federation.unverified_domains)
    trust = Trust(
        federation.custom_ca_list,
        federation.client_minimum_tls_version,
        lambda name: not federation.verify_certificates or unverified.fullmatch(name) is not None,
    )
    return Outbound(reactor, rules, trust, settings.user_agent_suffix)


class _Accounts:
    """Who may come in, and as whom."""

    def __init__(self, core: _Core, listener: DeviceListener, signing_key: SigningKey) -> None:
        self._core = core
        config, db, clock, randomness = core.config, core.db, core.clock, core.around.randomness
        domain = core.domains.default
        hasher = PasswordHasher(core.password_threads, config.passwords)
        cache = TokenCache()
        self._last_seen = LastSeen(db)
        self.authenticator = TokenAuthenticator(db, cache, self._last_seen, clock)
        self.profiles = Profiles(db, core.budget(_PROFILES))
        self.accounts = Accounts(db, hasher, self.profiles, cache, listener, clock)
        self._sessions = Sessions(db, cache, clock, randomness, config.sessions)
        self._devices = Devices(db, cache, self._last_seen, listener)
        self._login = PasswordLogin(db, hasher, core.domains, core.limiter, config.rate_limits)
        self._interactive_auth = InteractiveAuth(db, clock, randomness)
        self.reauthentication = Reauthentication(self._interactive_auth, self._login, config.passwords)
        self._openid = OpenIdTokens(db, clock, randomness)
        self._validations = Validations(
            db,
            clock,
            randomness,
            config.addresses,
            config.email.validation_token_lifetime,
            config.server.base_url,
        )
        identity_servers = IdentityServers(
            core.outbound,
            lambda method, uri, destination, content: authorization(
                method, uri, domain, destination, signing_key, content
            ),
        )
        self._contacts = Contacts(db, self._validations, identity_servers, config.addresses, clock)
        self._templates = Templates(config.templates.directory, domain)
        self._pages = Pages(self._templates, randomness)
        self._registration_tokens = RegistrationTokens(db, clock, randomness)

    def part(
        self,
        listener: ProfileListener,
        welcome: Welcome,
        remote_profiles: RemoteProfiles,
        acquaintance: Acquaintance,
    ) -> _Part:
        """`listener` is told of every new name and picture; `welcome` shows new users in."""
        config, randomness = self._core.config, self._core.around.randomness
        reauthentication = self.reauthentication
        newcomers = Newcomers(self.accounts, welcome, self._core.clock)
        usernames = Usernames(self.accounts, self._core.domains, randomness, config.registration)
        admission = Admission(config.registration, self._core.limiter, config.rate_limits.registration)
        nonces = Nonces(self._core.clock, randomness)
        by_secret = SharedSecretRegistration(config.registration.shared_secret, nonces, usernames, newcomers)
        moderation = AccountModeration(self.accounts, self._core.domains)
        editor = ProfileEditor(self._core.db, self.profiles, listener)
        return _Part(
            [
                *self._login_endpoints(reauthentication, newcomers),
                OpenIdEndpoints(self._openid),
                SessionEndpoints(self._sessions, self._devices),
                *self._registration_endpoints(admission, usernames, newcomers),
                *self._address_endpoints(admission, reauthentication),
                DeviceEndpoints(self._devices, reauthentication),
                ProfileEndpoints(
                    self.profiles,
                    editor,
                    ProfileRules(config.people, self._core.users, acquaintance),
                    remote_profiles,
                ),
                SharedSecretEndpoints(by_secret, nonces, self._sessions),
                AccountModerationEndpoints(moderation),
                WhoisEndpoints(moderation, self._devices),
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
            ConsentEndpoints(config.terms.version, directory, domain, self._pages),
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

    def _login_endpoints(self, reauthentication: Reauthentication, newcomers: Newcomers) -> Sequence[object]:
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
        login = Login(methods, self._sessions, core.limiter, config.rate_limits.login_per_account)
        return [
            LoginEndpoints(login, _well_known(config)),
            LoginTokenEndpoints(tokens, reauthentication if config.login_tokens.require_ui_auth else None),
        ]


def _well_known(config: Config) -> JsonObject | None:
    base_url = config.server.public_baseurl
    return None if base_url is None else {"m.homeserver": {"base_url": base_url}}


class _Rooms:
    """The heart of the house, with what other parts ask of it."""

    def __init__(
        self,
        core: _Core,
        memberships: _Memberships,
        profiles: Profiles,
        account_data: AccountData,
        signing_key: SigningKey,
        projections: Sequence[Projection],
        room_settings: Sequence[RoomSettings],
        forgetting: Sequence[Forgetting],
    ) -> None:
        """`projections` are those of other parts, as are `room_settings` and what is `forgetting`."""
        self._core = core
        db, clock = core.db, core.clock
        self.heads, self.members = memberships.heads, memberships.members
        self.tails = Tails(core.budget(_TAILS))
        self.lookup = EventLookup(self.heads, db)
        redacted = RedactedContent(db, clock, core.config.rooms.redaction_retention_period)
        self._redacted_content = redacted
        self.expiry = Expiry(core.config.retention, clock)
        relations = Relations()
        self._expired = ExpiredMessages(db, clock, self.expiry, self.tails, [relations, *forgetting])
        replays = Replays(db, core.budget(_REPLAYS))
        self.published = published = PublishedRooms(db)
        ingest = Ingest(
            core.journal,
            db,
            RoomAppends(
                clock,
                [
                    self.tails,
                    self.members,
                    RedactionMarks(self.heads, self.tails),
                    # After the marks, because what they say of redacted events counts.
                    Descriptions(),
                    SpaceChildren(),
                    published,
                    redacted,
                    relations,
                    self._expired,
                    replays,
                    *projections,
                ],
            ),
            self.heads,
            core.users,
            Dictionary[Slot](db, "room_slot", ("type", "state_key"), _SHORT_IDS),
            Dictionary[str](db, "room_event_type", ("type",), _SHORT_IDS),
        )
        signer = EventSigner(core.domains.default, signing_key)
        builder = EventBuilder(lambda _: signer, clock, core.around.randomness)
        locks: KeyedLocks[RoomID] = KeyedLocks()
        sender = EventSender(self.heads, replays, RelationRules(db, core.users), builder, ingest, locks)
        redactor = Redactor(sender, self.heads, db, core.users)
        self.directory = directory = Directory(db, clock)
        aliases = Aliases(directory, sender, self.heads, core.domains, core.config.room_directory)
        self.joining = Joining(self.heads, self.members, core.domains, db)
        limits = core.config.rate_limits
        inviting = Inviting(account_data, core.users, core.domains, core.limiter, limits)
        self.profile_news = ProfileNews(sender, self.members, profiles, db)
        following = Following(account_data, core.users, self.heads, self.members, room_settings)
        self.changes = MembershipChanges(
            sender,
            self.heads,
            self.members,
            profiles,
            self.joining,
            inviting,
            following,
            core.limiter,
            limits,
            db,
        )
        self._guests = GuestDepartures(self.changes, db)
        new_rooms = NewRooms(builder, ingest, clock, core.around.randomness)
        creator = RoomCreator(
            new_rooms, profiles, directory, aliases, inviting, core.config.rooms.default_version
        )
        self.auto_joiner = AutoJoiner(core.config.auto_join, self.changes, creator, directory, core.domains)
        states = StateSetter(sender, self.changes, aliases)
        self.views = views = RoomViews(self.heads, self.members, self.expiry, db)
        seen_states, timelines = RoomStates(views, db), Timelines(views, core.journal, db)
        peeking = Peeking(seen_states, timelines, directory, core.journal, core.waiting, clock, db)
        previews = Previews(self.heads, self.members, db)
        self._endpoints = [
            RoomCreationEndpoints(creator, self.members),
            MembershipEndpoints(self.changes, directory),
            SendEndpoints(sender, states, redactor, RelatedRedactions(redactor, self.heads, db)),
            DirectoryEndpoints(aliases, directory, views, core.domains),
            UpgradeEndpoints(RoomUpgrade(new_rooms, sender, self.heads, profiles, directory, following, db)),
            PeekingEndpoints(peeking, clock),
            PreviewEndpoints(previews, Hierarchies(self.heads, previews, db), directory),
            PublicRoomsEndpoints(published, core.domains, core.config.room_directory),
            RoomReadingEndpoints(seen_states, timelines, clock),
            RelationEndpoints(RelatedEvents(views, db), clock),
            ContextEndpoints(Contexts(views, core.journal, db), clock),
        ]

    def start_at(self, position: int) -> None:
        self.tails.start_at(position)
        self.members.start_at(position)

    def part(self) -> _Part:
        return _Part(
            self._endpoints,
            [
                Every("old transaction IDs", timedelta(hours=1), self._forget_old),
                *(
                    Every("expired messages", job.interval, partial(self._expired.purge, job))
                    for job in self._core.config.retention.jobs
                ),
                Every("redacted content", timedelta(minutes=10), self._redacted_content.drop_old),
                Every("departures", timedelta(minutes=1), self.changes.remove_deactivated),
                Every("departing guests", timedelta(seconds=10), self._guests.take_out),
                Every("profiles in rooms", timedelta(minutes=1), self.profile_news.tell),
            ],
        )

    async def _forget_old(self) -> None:
        day_ago = self._core.clock.now_ms() - 24 * 3600 * 1000
        await self._core.db.write(delete_transactions, day_ago)


class _Presence:
    """Who is there."""

    def __init__(self, core: _Core) -> None:
        config = core.config.presence
        self.is_shown = config.enabled is not False
        self.shared = SharedPresence(core.db)
        self.tracker = PresenceTracker(
            core.db,
            core.journal,
            self.shared,
            core.domains,
            core.clock,
            Timeouts(
                idle=config.idle_timeout.total_seconds(),
                offline=config.sync_online_timeout.total_seconds(),
                active=config.last_active_granularity.total_seconds(),
            ),
            is_on=config.enabled is True,
        )

    def endpoints(self, core: _Core, members: Members) -> Sequence[object]:
        return [PresenceEndpoints(self.tracker, core.users, members, core.clock, is_shown=self.is_shown)]


class _Push:
    """What users are to be told of, and how much of it they have not read."""

    def __init__(self, core: _Core, account_data: AccountData, receipts: Receipts) -> None:
        self._core = core
        self.rules = UserRules(core.db, core.journal)
        self.unread = UnreadCounts(
            core.db, core.journal, receipts, [account_data, self.rules], core.budget(_UNREAD)
        )
        judge = Judge(core.domains, Rulesets(core.budget(_RULESETS)))
        self.notifying = Notifying(judge, self.unread, core.domains, core.clock)

    def start_at(self, position: int) -> None:
        self.rules.start_at(position)
        self.unread.start_at(position)

    def part(self) -> _Part:
        db, clock = self._core.db, self._core.clock
        return _Part(
            [PushRuleEndpoints(self.rules), NotificationEndpoints(Notifications(db), clock)],
            [Every("old notifications", timedelta(days=1), OldNotifications(db, self.unread, clock).forget)],
        )


class _Talk:
    """What surrounds the rooms' events: account data, typing, receipts; and /sync, which tells of it all."""

    def __init__(
        self,
        core: _Core,
        rooms: _Rooms,
        presence: _Presence,
        account_data: AccountData,
        receipts: Receipts,
        push: _Push,
        encryption: _Encryption,
    ) -> None:
        self._presence = presence.tracker
        self.account_data = account_data
        self.receipts = receipts
        self.typing = Typing(core.journal, core.clock)
        filters = Filters(core.db, core.clock, core.budget(_FILTERS))
        markers = ReadMarkers(self.receipts, self.account_data, rooms.members, rooms.lookup, core.clock)
        presence_news = PresenceNews(presence.shared, is_on=presence.is_shown)
        unread = UnreadNews(push.unread, receipts, push.rules, core.db)
        finder = ChangeFinder(
            rooms.tails, self.typing, receipts, account_data, push.rules, unread, presence_news
        )
        syncer = Syncer(
            core.db,
            core.journal,
            core.waiting,
            rooms.members,
            rooms.tails,
            self.typing,
            finder,
            push.rules,
            unread,
            presence_news,
            IgnoredUsers(core.db, core.journal, account_data),
            UnwantedInvites(account_data),
            encryption.news,
            LazyMembers(core.budget(_LAZY_MEMBERS)),
            rooms.expiry,
            core.clock,
        )
        self._endpoints = [
            AccountDataEndpoints(account_data, rooms.heads, push.rules),
            TagEndpoints(Tags(self.account_data), rooms.heads),
            FilterEndpoints(filters),
            TypingEndpoints(self.typing, rooms.members, presence.tracker),
            ReceiptEndpoints(markers, presence.tracker),
            *presence.endpoints(core, rooms.members),
            SyncEndpoints(syncer, filters, presence.tracker),
        ]

    def start_at(self, position: int) -> None:
        self.account_data.start_at(position)
        self.receipts.start_at(position)
        self.typing.start_at(position)

    def part(self) -> _Part:
        forgetting = Every(
            "forgotten account data", timedelta(minutes=10), self.account_data.forget_deactivated
        )
        stale = Every("stale presence", timedelta(hours=6), self._presence.forget_stale)
        return _Part(self._endpoints, [forgetting, stale], [self._presence.finish])


class _People:
    """How users find each other, and whom they complain to."""

    def __init__(self, core: _Core, accounts: _Accounts, rooms: _Rooms, user_index: UserIndex) -> None:
        self._user_index = user_index
        directory = UserDirectory(core.db, user_index, rooms.members, core.config.people)
        self.reports = StoredReports(core.db, core.clock)
        reporting = Reporting(
            core.db,
            core.users,
            accounts.accounts,
            core.domains,
            rooms.heads,
            rooms.members,
            rooms.lookup,
            core.clock,
        )
        self._endpoints = [
            ReportEndpoints(reporting),
            MutualRoomsEndpoints(MutualRooms(rooms.members, core.users)),
            UserDirectoryEndpoints(directory),
            MessageSearchEndpoints(self._message_search(core, rooms), core.clock),
        ]

    def _message_search(self, core: _Core, rooms: _Rooms) -> MessageSearch:
        enabled = core.config.search.enabled
        index = full_text(core.db.engine_name, "search_message", "event") if enabled else None
        return MessageSearch(index, rooms.members, rooms.views, core.users, core.journal, core.db)

    def part(self) -> _Part:
        return _Part(
            self._endpoints,
            [
                Every("old reports", timedelta(days=1), self.reports.forget_old),
                Every("user directory", timedelta(minutes=1), self._user_index.catch_up),
                Every("departed users", timedelta(minutes=10), self._user_index.forget_departed),
            ],
        )


class Server:
    """A server that can be started and stopped once."""

    def __init__(
        self,
        core: _Core,
        dispatcher: Dispatcher,
        starts: Sequence[Callable[[int], None]],
        parts: Sequence[_Part],
    ) -> None:
        self.dispatcher = dispatcher
        self.db = core.db
        self._core = core
        self._starts = starts
        self._parts = parts
        self._running: list[LoopingCall] = []
        config = core.config
        self.listeners = Listeners(
            core.around.reactor, dispatcher, config.all_listeners, config.tls, metrics=config.metrics.enabled
        )

    async def start(self) -> None:
        """Reads where the journal stands and starts the background tasks. Listens to nobody yet."""
        await self._core.journal.start(self._starts)
        tasks = [task for part in self._parts for task in part.tasks]
        self._running = [start_task(task, self._core.clock) for task in tasks]

    def listen(self) -> None:
        """Opens the listeners. Raises ListenError, CertificateError."""
        self.listeners.open()

    async def stop(self) -> None:
        """Lets every request have its answer, long polls an early one, and closes the database."""
        await self.listeners.close()
        for task in self._running:
            task.stop()
        self._core.waiting.close()
        if not await self.listeners.drain(_DRAIN_SECONDS):
            log.warning("some requests did not end within %d seconds", _DRAIN_SECONDS)
        for part in self._parts:
            for end in part.endings:
                await _at_the_end(end)
        self._core.password_threads.stop()
        await self._core.outbound.close()
        await self._core.db.close()


async def _at_the_end(store: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """What cannot be stored now is lost; the server ends nevertheless."""
    try:
        await store()
    except DatabaseUnavailable as error:
        log.error("not everything could be stored at the end: %s", error)
