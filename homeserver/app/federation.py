"""Speaking to other servers, and knowing who they are."""

from datetime import timedelta
from typing import Any

from config.root import Config
from federation.api.keys import ServerKeyEndpoints
from federation.api.public_rooms import FederationPublicRoomsEndpoints
from federation.api.queries import QueryEndpoints
from federation.api.third_party_invites import ThirdPartyInviteEndpoints
from federation.api.version import FederationVersionEndpoints
from federation.backoff import Backoff
from federation.client.devices import DeviceCalls
from federation.client.events import EventCalls
from federation.client.queries import QueryCalls
from federation.devices.elsewhere import UsersElsewhere
from federation.devices.lists import UnsharedLists
from federation.discovery import Discovery
from federation.key_fetching import KeyFetcher
from federation.keyring import Keyring
from federation.notary import Notary
from federation.outgoing.device_lists import OutgoingDeviceLists
from federation.outgoing.ephemeral import OutgoingEphemeral
from federation.outgoing.events import OutgoingEvents
from federation.outgoing.newcomers import PresenceForNewcomers
from federation.outgoing.queues import Queues, TransactionSender
from federation.outgoing.to_device import RemoteInboxes
from federation.own_keys import OwnKeys
from federation.remote_profiles import RemoteProfileLookup
from federation.remote_rooms import RoomsToldOf
from federation.request_authentication import RequestAuthentication
from federation.server_names import AllowedServers, matches_any
from federation.service_records import ServiceRecords, TwistedResolver
from federation.transport import Transport
from federation.well_known import WellKnown
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.profiles import Profiles
from homeserver.app import shares
from homeserver.app.core import Contribution, Core
from homeserver.app.rooms import RoomParts
from homeserver.http.outbound import Outbound
from homeserver.http.outbound_addresses import AddressRules
from homeserver.http.outbound_tls import Trust
from homeserver.protocol.signing import EventSigner, SigningKey
from homeserver.runtime.tasks import Every


class FederationParts:
    """Speaking to other servers, and knowing who they are."""

    def __init__(self, core: Core, signing_key: SigningKey) -> None:
        self._core = core
        config, clock, randomness = core.config.federation, core.clock, core.around.randomness
        self.signer = signer = EventSigner(core.domains.default, signing_key)
        self._outbound = _federation_outbound(core.config, core.around.reactor)
        resolver = core.around.resolver or TwistedResolver(core.around.reactor)
        discovery = Discovery(
            WellKnown(self._outbound, clock, randomness, core.budget(shares.ROUTES)),
            ServiceRecords(resolver, clock, randomness, core.budget(shares.ROUTES)),
        )
        allowed, backoff = AllowedServers(config), Backoff(config, clock, randomness, core.waiting)
        self.transport = Transport(signer, discovery, self._outbound, allowed, backoff, config)
        self._own_keys = OwnKeys(signer, config.old_signing_keys, config.key_refresh_interval, clock)
        self._threads = core.around.make_threads("signatures", 2)
        self.keyring = Keyring(
            (core.domains.default, self._own_keys.all()),
            KeyFetcher(self.transport, config.trusted_key_servers, clock),
            core.db,
            self._threads,
            clock,
            core.budget(shares.KEYS),
        )
        self.rooms = RoomsToldOf(QueryCalls(self.transport))
        self.profiles = RemoteProfileLookup(QueryCalls(self.transport), core.domains)
        sender = TransactionSender(
            core.domains.default, EventCalls(self.transport), backoff, core.waiting, clock
        )
        self.queues = Queues(sender, allowed, core.db, clock)
        self.users = UsersElsewhere(
            DeviceCalls(self.transport), RemoteInboxes(self.queues), core.db, clock, randomness
        )
        self.ephemeral = OutgoingEphemeral(core.domains, self.queues.tell, core.db, clock)
        newcomers = PresenceForNewcomers(core.domains, self.queues.tell, core.db, clock)
        self.newcomers = [newcomers] if core.config.presence.enabled is True else []
        self.device_lists = OutgoingDeviceLists(
            core.domains, self.queues.edus_stored, clock, shows_names=config.allow_device_names
        )
        self.unshared = UnsharedLists(core.domains)
        self.outgoing = OutgoingEvents(core.domains, self.queues, clock)
        self.authentication = RequestAuthentication(core.domains.default, self.keyring, allowed, backoff)

    def part(self, accounts: Accounts, profiles: Profiles, rooms: "RoomParts") -> Contribution:
        core, config = self._core, self._core.config
        notary = Notary(self._own_keys, self.keyring, core.db)
        return Contribution(
            [
                FederationVersionEndpoints(),
                ServerKeyEndpoints(self._own_keys, notary, core.clock),
                QueryEndpoints(
                    profiles,
                    rooms.directory,
                    core.domains,
                    shows_profiles=config.federation.allow_profile_lookup,
                ),
                ThirdPartyInviteEndpoints(rooms.third_party_invites, accounts),
                FederationPublicRoomsEndpoints(
                    rooms.published, config.room_directory, is_shown=config.federation.allow_public_rooms
                ),
            ],
            [
                Every("old keys of servers", timedelta(days=1), self.keyring.forget_old),
                Every("what other servers have", timedelta(hours=1), self.queues.prune),
            ],
            [self._close],
        )

    async def _close(self) -> None:
        self._threads.stop()
        self.ephemeral.stop()
        for newcomers in self.newcomers:
            newcomers.stop()
        await self.queues.stop()
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
