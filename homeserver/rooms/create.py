"""Creating a room.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom
"""

from typing import Literal

import msgspec

from homeserver.accounts.profiles import Profiles
from homeserver.protocol.errors import (
    Forbidden,
    InvalidParam,
    InvalidRoomState,
    ThreepidDenied,
    UnsupportedRoomVersion,
)
from homeserver.protocol.identifiers import (
    RoomAlias,
    RoomID,
    UserID,
    parse_room_alias,
    parse_user_id,
    server_of,
)
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import RoomVersion, room_version
from homeserver.rooms.aliases import Aliases
from homeserver.rooms.directory import Directory
from homeserver.rooms.draft import Draft
from homeserver.rooms.first_state import power_levels_content, preset_state
from homeserver.rooms.head import Head
from homeserver.rooms.ingest import Ingest, NewRoom
from homeserver.rooms.inviting import Inviting
from homeserver.rooms.member_content import member_content
from homeserver.rooms.send import EventBuilder, slots_to_authorise
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness

CREATABLE_VERSIONS = ("11", "12")
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
    invite_3pid: list[JsonObject] = []
    room_version: str | None = None
    creation_content: JsonObject = {}
    initial_state: list[InitialState] = []
    preset: Preset | None = None
    is_direct: bool = False
    power_level_content_override: JsonObject = {}


class RoomCreator:
    """Makes rooms: all their first events in one transaction."""

    def __init__(
        self,
        builder: EventBuilder,
        ingest: Ingest,
        profiles: Profiles,
        directory: Directory,
        aliases: Aliases,
        inviting: Inviting,
        clock: Clock,
        randomness: Randomness,
        default_version: str,
    ) -> None:
        self._builder = builder
        self._ingest = ingest
        self._profiles = profiles
        self._directory = directory
        self._aliases = aliases
        self._inviting = inviting
        self._clock = clock
        self._newest_time = 0
        self._randomness = randomness
        self._default_version = default_version

    async def create(self, creator: UserID, wish: CreateRoom) -> RoomID:
        """The ID of the new room, which is stored when this returns.

        Raises UnsupportedRoomVersion, RoomInUse for a taken alias, InvalidRoomState where the wishes
        contradict the room's own rules, Forbidden, InviteBlocked, LimitExceeded, InvalidParam, BadJson.
        """
        version = _version(self._default_version if wish.room_version is None else wish.room_version)
        alias = _alias(creator, wish)
        invited = await self._invited(creator, wish)
        room = NewRoom(Head(0, self._room_id(creator), version, 0, 0, ()))
        first = self._draft(room, creator, "m.room.create", _create_content(creator, wish, version, invited))
        first.origin_server_ts = self._unused_time()
        await self._add(room, first)
        # From room version 12 on, the create event decides the room's ID.
        room.head.room_id = room.events[0].event.room_id
        for type_, state_key, content in await self._first_state(creator, wish, version, alias, invited):
            await self._add(room, self._draft(room, creator, type_, content, state_key))
        if wish.visibility == "public":
            await self._aliases.check_publication(creator, room.head.room_id, [alias] if alias else ())
        if alias is not None:
            self._aliases.check_creation(creator, alias, room.head.room_id)
            await self._directory.claim(alias, room.head.room_id, creator)
        await self._ingest.accept_room(room)
        if wish.visibility == "public":
            await self._directory.publish(room.head.nid)
        return room.head.room_id

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
        for user_id in invited:
            content = member_content("invite", await self._profiles.get(user_id))
            state["m.room.member", str(user_id)] = content | ({"is_direct": True} if wish.is_direct else {})
        return [(type_, state_key, content) for (type_, state_key), content in state.items()]

    def _draft(
        self, room: NewRoom, creator: UserID, type_: str, content: JsonObject, state_key: str = ""
    ) -> Draft:
        return Draft(
            room_id=room.head.room_id, type=type_, state_key=state_key, sender=creator, content=content
        )

    async def _add(self, room: NewRoom, draft: Draft) -> None:
        head = room.head
        for slot in [
            *slots_to_authorise(head, draft),
            (draft.type, draft.state_key or ""),
            ("m.room.create", ""),
        ]:
            # Nothing is stored yet, so what is not in memory does not exist.
            head.state.setdefault(slot, None)
        try:
            event = self._builder.build(head, draft)
        except Forbidden as error:
            raise InvalidRoomState(f"{draft.type}: {error}") from error
        await self._ingest.add(room, event)

    def _unused_time(self) -> int:
        """From room version 12 on, two equal create events would be one room, so their times must differ."""
        self._newest_time = max(self._clock.now_ms(), self._newest_time + 1)
        return self._newest_time

    async def _invited(self, creator: UserID, wish: CreateRoom) -> list[UserID]:
        if wish.invite_3pid:
            raise ThreepidDenied("This server uses no identity server, so only Matrix users can be invited")
        invited = [parse_user_id(user_id) for user_id in dict.fromkeys(wish.invite)]
        for user_id in invited:
            await self._inviting.check_target(creator, user_id)
        return invited

    def _room_id(self, creator: UserID) -> RoomID:
        return RoomID(f"!{self._randomness.token(18)}:{server_of(creator)}")


def _version(identifier: str) -> RoomVersion:
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


def _alias(creator: UserID, wish: CreateRoom) -> RoomAlias | None:
    if wish.room_alias_name is None:
        return None
    if ":" in wish.room_alias_name:
        raise InvalidParam("room_alias_name is only the part before the colon")
    return parse_room_alias(f"#{wish.room_alias_name}:{server_of(creator)}")


def _topic_content(topic: str) -> JsonObject:
    """https://spec.matrix.org/v1.19/client-server-api/#mroomtopic"""
    return {"topic": topic, "m.topic": {"m.text": [{"body": topic, "mimetype": "text/plain"}]}}
