"""Rooms in the making: their first events, built one on another and stored all together."""

from homeserver.protocol.errors import Forbidden, InvalidRoomState
from homeserver.protocol.identifiers import RoomID, UserID, server_of
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import RoomVersion
from homeserver.rooms.draft import Draft
from homeserver.rooms.head import Head
from homeserver.rooms.ingest import Ingest, NewRoom
from homeserver.rooms.send import EventBuilder, slots_to_authorise
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness


class NewRooms:
    """Makes rooms: all their first events in one transaction."""

    def __init__(self, builder: EventBuilder, ingest: Ingest, clock: Clock, randomness: Randomness) -> None:
        self._builder = builder
        self._ingest = ingest
        self._clock = clock
        self._newest_time = 0
        self._randomness = randomness

    async def begin(self, creator: UserID, version: RoomVersion, content: JsonObject) -> NewRoom:
        """A room with its create event. Raises BadJson, InvalidRoomState."""
        room = NewRoom(Head(0, self._room_id(creator), version, 0, 0, ()))
        await self._add(
            room,
            Draft(
                room_id=room.head.room_id,
                type="m.room.create",
                state_key="",
                sender=creator,
                content=content,
                origin_server_ts=self._unused_time(),
            ),
        )
        # From room version 12 on, the create event decides the room's ID.
        room.head.room_id = room.events[0].event.room_id
        return room

    async def add(
        self, room: NewRoom, sender: UserID, type_: str, content: JsonObject, state_key: str = ""
    ) -> None:
        """Sets state. Raises InvalidRoomState where the room's own rules forbid it, BadJson, InvalidParam."""
        await self._add(
            room,
            Draft(room_id=room.head.room_id, type=type_, state_key=state_key, sender=sender, content=content),
        )

    async def store(self, room: NewRoom) -> None:
        """Stores the room with all its events, or nothing of it."""
        await self._ingest.accept_room(room)

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

    def _room_id(self, creator: UserID) -> RoomID:
        return RoomID(f"!{self._randomness.token(18)}:{server_of(creator)}")
