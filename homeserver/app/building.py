"""Builds every object of the server, in the order of their needs. No part is completed later."""

from appservices.queries import ProfilesOnDemand
from config.root import Config
from federation.client.media import MediaCalls
from federation.client.membership import MembershipCalls
from homeserver.account_data.contents import AccountData
from homeserver.accounts.devices import AllListen
from homeserver.app.accounts import AccountParts
from homeserver.app.appservices import AppServiceParts
from homeserver.app.core import Surroundings, core_of
from homeserver.app.discovery import discovery
from homeserver.app.encryption import EncryptionParts
from homeserver.app.federation import FederationParts
from homeserver.app.incoming import IncomingParts
from homeserver.app.joining import JoiningParts
from homeserver.app.media import MediaParts
from homeserver.app.memberships import MembershipParts
from homeserver.app.notices import NoticeParts
from homeserver.app.people import PeopleParts
from homeserver.app.presence import PresenceParts
from homeserver.app.previews import previews
from homeserver.app.push import PushParts
from homeserver.app.pushers import PusherParts
from homeserver.app.resident import resident
from homeserver.app.rooms import RoomParts
from homeserver.app.server import Server
from homeserver.app.talk import TalkParts
from homeserver.e2ee.device_lists import AllListen as ListChangeListeners
from homeserver.ephemeral.listening import AllListen as EphemeralListeners
from homeserver.ephemeral.receipts import Receipts
from homeserver.http.dispatch import Dispatcher
from homeserver.http.endpoint import endpoints_of
from homeserver.http.openapi import OpenApiEndpoints
from homeserver.http.router import Router
from homeserver.notices.binding import NoticeRooms
from homeserver.protocol.signing import SigningKey
from homeserver.push.pushers.mailboxes import AllWelcome
from homeserver.rooms.appends import Projection
from homeserver.runtime.version import program_version
from homeserver.search.member_index import MemberIndex
from homeserver.search.message_index import MessageIndex
from homeserver.search.user_index import UserIndex
from homeserver.storage.engine import Engine


def build(config: Config, engine: Engine, signing_key: SigningKey, around: Surroundings) -> "Server":
    """The whole server, not yet started, on a database that is up to date."""
    core = core_of(config, engine, around)
    federation = FederationParts(core, signing_key)
    memberships = MembershipParts(core)
    services = AppServiceParts(core)
    encryption = EncryptionParts(
        core,
        memberships,
        federation.users,
        ListChangeListeners([federation.device_lists, services.device_lists]),
        services.messages,
    )
    ephemeral = EphemeralListeners([federation.ephemeral, services.ephemeral])
    account_data, receipts = AccountData(core.db, core.journal), Receipts(core.journal, ephemeral)
    push = PushParts(core, account_data, receipts)
    pushers = PusherParts(core, memberships, push, signing_key)
    accounts = AccountParts(
        core, AllListen([encryption.watch, pushers.pushers]), services.services, signing_key
    )
    queries = services.queries(accounts)
    presence = PresenceParts(core, ephemeral)
    member_index = MemberIndex(core.domains)
    user_index = UserIndex(core.db, member_index)
    message_index = [MessageIndex()] if config.search.enabled else []
    of_members: list[Projection] = [
        member_index,
        presence.tracker,
        encryption.moves,
        federation.unshared,
        *federation.newcomers,
    ]
    joining = JoiningParts(core, federation, signing_key)
    binding = NoticeRooms(core.db, is_on=config.server_notices.localpart is not None)
    rooms = RoomParts(
        core,
        memberships,
        accounts.profiles,
        accounts.identity_servers,
        MembershipCalls(federation.transport),
        joining.others,
        federation.rooms,
        account_data,
        services.services,
        queries,
        signing_key,
        [federation.outgoing, services.events],
        message_index,
        of_members,
        [push.notifying, pushers.news],
        [push.rules],
        message_index,
        binding,
        [pushers.news, services.elsewhere],
    )
    notices = NoticeParts(core, accounts, rooms, account_data, binding)
    talk = TalkParts(core, rooms, presence, account_data, receipts, push, pushers, encryption, ephemeral)
    incoming = IncomingParts(core, federation, rooms, talk, presence, encryption)
    people = PeopleParts(core, accounts, rooms, user_index)
    media = MediaParts(core, MediaCalls(federation.transport, core.outbound))
    parts = (
        discovery(core, services.networks, [pushers.vapid] if config.push.enabled else []),
        accounts.part(
            rooms.profile_news,
            AllWelcome([pushers.mailboxes, rooms.auto_joiner])
            if config.email.enable_notifs and config.email.notifs_for_new_users
            else rooms.auto_joiner,
            ProfilesOnDemand(queries, accounts.profiles, federation.profiles),
            memberships.members,
            [services.login_method(accounts)],
        ),
        rooms.part(incoming.history),
        push.part(),
        pushers.part(accounts.accounts),
        notices.part(),
        encryption.part(accounts.reauthentication),
        talk.part(),
        people.part(),
        previews(core, media),
        media.part(),
        federation.part(accounts.accounts, accounts.profiles, rooms),
        incoming.part(),
        joining.part(),
        services.part(rooms),
        resident(core, accounts.accounts, federation, incoming, rooms),
    )
    endpoints = [endpoint for part in parts for owner in part.endpoints for endpoint in endpoints_of(owner)]
    openapi = OpenApiEndpoints(program_version(), endpoints)
    dispatcher = Dispatcher(
        Router([*endpoints, *endpoints_of(openapi)]),
        services.authenticator(accounts),
        core.limiter,
        config.rate_limits,
        core.clock,
        federation.authentication,
    )
    starts = [
        talk.start_at,
        rooms.start_at,
        push.start_at,
        pushers.start_at,
        notices.start_at,
        encryption.start_at,
        presence.tracker.start_at,
        incoming.start_at,
        federation.queues.start_at,
        services.queues.start_at,
    ]
    return Server(core, dispatcher, starts, parts, media.storage.incoming_file)
