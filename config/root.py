"""All settings together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from config.appservices import AppServices
from config.caches import Caches
from config.calls import Turn
from config.database import DATABASE, Database
from config.directory import RoomDirectory
from config.email import Addresses, Email, Templates
from config.federation import Federation
from config.listeners import DEFAULT_LISTENERS, LISTENERS, Listener, TcpListener
from config.login import Jwt, LoginTokens
from config.media import Media
from config.observability import Logging, Metrics
from config.option import option, section, written
from config.outbound import Outbound
from config.passwords import Passwords
from config.people import People
from config.previews import Previews
from config.push import Push
from config.rate_limits import RateLimits
from config.registration import AutoJoin, Registration, Terms
from config.retention import Retention
from config.rooms import Presence, RemoteRoomLimit, Rooms
from config.search import Search
from config.server import Server
from config.server_notices import ServerNotices
from config.sessions import Sessions
from config.support import Support
from config.tls import Tls


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What an operator has set, and the defaults for the rest. Each section says what is in it.

    Paths are absolute. `data_dir` is where everything that the server makes is kept.
    """

    data_dir: Path
    server: Server = section("Server")
    support: Support = section("Support", Support)
    listeners: Annotated[tuple[Listener, ...], LISTENERS] = option(
        DEFAULT_LISTENERS, "Where the server listens."
    )
    tls: Tls = section("TLS", Tls)
    database: Annotated[Database, DATABASE] = written(
        "sqlite:///folkmoot.db",
        "Where the server keeps its data. Three slashes begin a relative path, four an absolute one.",
    )
    caches: Caches = section("Caches", Caches)
    registration: Registration = section("Registration", Registration)
    auto_join: AutoJoin = section("Rooms of new users", AutoJoin)
    terms: Terms = section("Terms", Terms)
    sessions: Sessions = section("Sessions", Sessions)
    passwords: Passwords = section("Passwords", Passwords)
    login_tokens: LoginTokens = section("Login on further devices", LoginTokens)
    jwt: Jwt = section("JSON Web Tokens", Jwt)
    email: Email = section("E-mail", Email)
    addresses: Addresses = section("Addresses of users", Addresses)
    templates: Templates = section("Templates", Templates)
    rate_limits: RateLimits = section("Rate limits", RateLimits)
    rooms: Rooms = section("Rooms", Rooms)
    remote_room_limit: RemoteRoomLimit = section("Large rooms of other servers", RemoteRoomLimit)
    retention: Retention = section("Retention", Retention)
    room_directory: RoomDirectory = section("Room directory", RoomDirectory)
    search: Search = section("Searching", Search)
    presence: Presence = section("Presence", Presence)
    people: People = section("People", People)
    turn: Turn = section("Calls", Turn)
    media: Media = section("Media", Media)
    previews: Previews = section("Previews", Previews)
    push: Push = section("Push", Push)
    server_notices: ServerNotices = section("Server notices", ServerNotices)
    app_services: AppServices = section("Application services", AppServices)
    federation: Federation = section("Federation", Federation)
    outbound: Outbound = section("Outgoing requests", Outbound)
    logging: Logging = section("Logging", Logging)
    metrics: Metrics = section("Metrics", Metrics)
    experimental_features: Mapping[str, Any] = option(
        MappingProxyType({}),
        "Features that are not in the specification yet, by Synapse's names for them.",
    )

    @property
    def signing_key_path(self) -> Path:
        """The file of the key that signs events."""
        name = f"{self.server.server_name}.signing.key"
        return self.server.signing_key_path or self.data_dir / name

    @property
    def media_store_path(self) -> Path:
        """The directory of the files that users share."""
        return self.media.store_path or self.data_dir / "media_store"

    @property
    def app_services_path(self) -> Path:
        """The directory of the registration files that `folkmoot appservice add` keeps."""
        return self.data_dir / "appservices"

    @property
    def all_listeners(self) -> tuple[Listener, ...]:
        """The listeners, with the one that `metrics_port` asks for."""
        if self.metrics.port is None:
            return self.listeners
        addresses = (self.metrics.bind_host,)
        return (
            *self.listeners,
            TcpListener(port=self.metrics.port, bind_addresses=addresses, type="metrics"),
        )

    def conflicts(self) -> Iterator[str]:
        """Settings that are fine by themselves but not together, in sentences for the operator."""
        for part in (
            self.registration,
            self.auto_join,
            self.terms,
            self.sessions,
            self.jwt,
            self.email,
            self.federation,
            self.retention,
        ):
            yield from part.conflicts()
        if self.registration.enabled and self.registration.requires_email and not self.email.enabled:
            yield "registrations_require_3pid names email, which needs email.notif_from and a mail server"
        if self.terms.block_events_error and not any(
            "consent" in listener.resource_names for listener in self.listeners
        ):
            yield "user_consent.block_events_error needs a listener with the resource consent, where users accept them"
        speaks_tls = any(isinstance(listener, TcpListener) and listener.tls for listener in self.listeners)
        if speaks_tls and not (self.tls.certificate_path and self.tls.private_key_path):
            yield "a listener has tls: true, which needs tls_certificate_path and tls_private_key_path"
