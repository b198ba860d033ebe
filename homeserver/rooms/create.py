"""Creating a room.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom
"""

import logging
from typing import Literal

import msgspec

from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.profile import Profile
from homeserver.accounts.profiles import Profiles
from homeserver.protocol.errors import InvalidParam, MatrixError, UnsupportedRoomVersion
from homeserver.protocol.identifiers import (
    RoomAlias,
    RoomID,
    UserID,
    parse_room_alias,
    parse_user_id,
    server_of,
)
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion, room_version
from homeserver.rooms.aliases import Aliases
from homeserver.rooms.directory import Directory
from homeserver.rooms.draft import Draft
from homeserver.rooms.first_state import power_levels_content, preset_state
from homeserver.rooms.invited_addresses import TYPE as THIRD_PARTY_INVITE
from homeserver.rooms.invited_addresses import InvitedAddress, InvitedAddresses
from homeserver.rooms.inviting import Inviting
from homeserver.rooms.member_content import member_content
from homeserver.rooms.new_rooms import NewRooms
from homeserver.rooms.remote_memberships import RemoteMemberships

log = logging.getLogger(__name__)

CREATABLE_VERSIONS = tuple(ROOM_VERSIONS)
"""Versions that new rooms can have here."""

Preset = Literal["private_chat", "public_chat", "trusted_private_chat"]


class InitialState(msgspec.Struct):
    type: str
    content: JsonObject
    state_key: str = ""


class CreateRoom(msgspec.Struct):
    """The body of POST /createRoom."""

    visibility: Literal["public", "private"] = "private"
    room_alias_name: str | None = None
    name: str | None = None
    topic: str | None = None
    invite: list[str] = []
    invite_3pid: list[InvitedAddress] = []
    room_version: str | None = None
    creation_content: JsonObject = {}
    initial_state: list[InitialState] = []
    preset: Preset | None = None
    is_direct: bool = False
    power_level_content_override: JsonObject = {}


class RoomCreator:
    """Makes rooms as users wish them."""

    def __init__(
        self,
        rooms: NewRooms,
        profiles: Profiles,
        directory: Directory,
        aliases: Aliases,
        inviting: Inviting,
        remote: RemoteMemberships,
        addresses: InvitedAddresses,
        domains: LocalDomains,
        default_version: str,
    ) -> None:
        self._rooms = rooms
        self._profiles = profiles
        self._directory = directory
        self._aliases = aliases
        self._inviting = inviting
        self._remote = remote
        self._addresses = addresses
        self._domains = domains
        self._default_version = default_version

    async def create(self, creator: UserID, wish: CreateRoom) -> RoomID:
        """The ID of the new room, which is stored when this returns.

        Raises UnsupportedRoomVersion, RoomInUse for a taken alias, InvalidRoomState where the wishes
        contradict the room's own rules, Forbidden, InviteBlocked, LimitExceeded, InvalidParam, BadJson, and what
        `InvitedAddresses` does.
        """
        version = creatable_version(self._default_version if wish.room_version is None else wish.room_version)
        alias = _alias(creator, wish)
        invited, unknown = await self._invited(creator, wish)
        create = _create_content(creator, wish, version, invited)
        room = await self._rooms.begin(creator, version, create)
        for type_, state_key, content in await self._first_state(creator, wish, version, alias, invited):
            await self._rooms.add(room, creator, type_, content, state_key)
        for address in unknown:
            token, content = await self._addresses.invitation(creator, room.head, address)
            await self._rooms.add(room, creator, THIRD_PARTY_INVITE, content, token)
        if wish.visibility == "public":
            await self._aliases.check_publication(creator, room.head.room_id, [alias] if alias else ())
        if alias is not None:
            self._aliases.check_creation(creator, alias, room.head.room_id)
            await self._directory.claim(alias, room.head.room_id, creator)
        await self._rooms.store(room)
        if wish.visibility == "public":
            await self._directory.publish(room.head.nid)
        for user_id in invited:
            if not self._domains.is_local(user_id):
                await self._invite_elsewhere(creator, room.head.room_id, user_id, wish)
        return room.head.room_id

    async def _invite_elsewhere(
        self, creator: UserID, room_id: RoomID, user_id: UserID, wish: CreateRoom
    ) -> None:
        content = _invitation(None, wish)
        draft = Draft(
            room_id=room_id, type="m.room.member", state_key=user_id, sender=creator, content=content
        )
        try:
            await self._remote.invite(draft)
        except MatrixError as error:
            # The room is there, and its creator may try again.
            log.info("%s could not be invited to the new room %s: %s", user_id, room_id, error)

    async def _first_state(
        self,
        creator: UserID,
        wish: CreateRoom,
        version: RoomVersion,
        alias: RoomAlias | None,
        invited: list[UserID],
    ) -> list[tuple[str, str, JsonObject]]:
        """(type, state key, content) of all state after the create event, in the specification's order."""
        preset = wish.preset or ("public_chat" if wish.visibility == "public" else "private_chat")
        joined = member_content("join", await self._profiles.get(creator))
        state = {
            ("m.room.member", str(creator)): joined,
            ("m.room.power_levels", ""): power_levels_content(
                creator,
                version,
                preset,
                wish.power_level_content_override,
                invited if preset == "trusted_private_chat" else (),
            ),
        }
        if alias is not None:
            state["m.room.canonical_alias", ""] = {"alias": alias}
        state |= {(type_, ""): content for type_, content in preset_state(preset)}
        for initial in wish.initial_state:
            state[initial.type, initial.state_key] = initial.content
        if wish.name is not None:
            state["m.room.name", ""] = {"name": wish.name}
        if wish.topic is not None:
            state["m.room.topic", ""] = _topic_content(wish.topic)
        for user_id in filter(self._domains.is_local, invited):
            state["m.room.member", str(user_id)] = _invitation(await self._profiles.get(user_id), wish)
        return [(type_, state_key, content) for (type_, state_key), content in state.items()]

    async def _invited(self, creator: UserID, wish: CreateRoom) -> tuple[list[UserID], list[InvitedAddress]]:
        """The invited users, and the addresses that belong to nobody yet."""
        invited = [parse_user_id(user_id) for user_id in wish.invite]
        unknown = []
        for address in wish.invite_3pid:
            owner = await self._addresses.owner(creator, address)
            if owner is None:
                unknown.append(address)
            else:
                invited.append(owner)
        invited = list(dict.fromkeys(invited))
        for user_id in invited:
            await self._inviting.check_target(creator, user_id)
        return invited, unknown


def creatable_version(identifier: str) -> RoomVersion:
    """Raises UnsupportedRoomVersion."""
    if identifier not in CREATABLE_VERSIONS:
        raise UnsupportedRoomVersion(f"Rooms of version {identifier} cannot be created here")
    return room_version(identifier)


def _create_content(
    creator: UserID, wish: CreateRoom, version: RoomVersion, invited: list[UserID]
) -> JsonObject:
    content = {**wish.creation_content, "room_version": version.identifier}
    if not version.implicit_creator:
        content["creator"] = creator
    if version.privileged_creators and wish.preset == "trusted_private_chat":
        # The invited users are to be as powerful as the creator, whom no power level can reach.
        given = content.get("additional_creators", [])
        if not isinstance(given, list) or not all(isinstance(user_id, str) for user_id in given):
            raise InvalidParam("additional_creators must be a list of user IDs")
        content["additional_creators"] = list(dict.fromkeys([*given, *invited]))
    return content


def _invitation(profile: Profile | None, wish: CreateRoom) -> JsonObject:
    return member_content("invite", profile) | ({"is_direct": True} if wish.is_direct else {})


def _alias(creator: UserID, wish: CreateRoom) -> RoomAlias | None:
    if wish.room_alias_name is None:
        return None
    if ":" in wish.room_alias_name:
        raise InvalidParam("room_alias_name is only the part before the colon")
    return parse_room_alias(f"#{wish.room_alias_name}:{server_of(creator)}")


def _topic_content(topic: str) -> JsonObject:
    """https://spec.matrix.org/v1.19/client-server-api/#mroomtopic"""
    return {"topic": topic, "m.topic": {"m.text": [{"body": topic, "mimetype": "text/plain"}]}}
