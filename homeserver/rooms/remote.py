"""What rooms ask of other servers."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import EventID, RoomAlias, RoomID, ServerName, UserID
from homeserver.protocol.json import JsonObject


@dataclass(frozen=True, slots=True)
class JoinedElsewhere:
    """A join that another server took in, and the room as it told of it; all was checked.

    `state` is the state before the join, of which most members are missing where it `is_partial`; `auth_chain` is the
    rest of its auth chain. `servers` are some that are in the room, first the one that told.
    """

    join: Event
    state: Sequence[Event]
    auth_chain: Sequence[Event]
    servers: Sequence[ServerName]
    is_partial: bool = False


class OtherServers(Protocol):
    """Servers that are in rooms in which nobody of this one is, or that users are invited from.

    Implemented by `federation`. `servers` are tried one after the other. What their answers have in common with all
    refusals is raised: NotFound, Forbidden, IncompatibleRoomVersion, RemoteFailed and others.
    """

    async def resolve(self, alias: RoomAlias) -> tuple[RoomID, Sequence[ServerName]]:
        """The room that an alias of another server names, and servers that are in it. Raises NotFound."""

    async def join(
        self,
        user_id: UserID,
        room_id: RoomID,
        servers: Sequence[ServerName],
        content: JsonObject,
        *,
        partially: bool,
    ) -> JoinedElsewhere:
        """Makes the join, with `content` for its own, and has one of the servers take it in.

        `partially` says that most members may be missing from the state.
        """

    async def knock(
        self, user_id: UserID, room_id: RoomID, servers: Sequence[ServerName], content: JsonObject
    ) -> tuple[Event, Sequence[JsonObject]]:
        """The knock, which one of the servers took in, and the room's stripped state."""

    async def leave(
        self, user_id: UserID, room_id: RoomID, servers: Sequence[ServerName], content: JsonObject
    ) -> Event:
        """Rejects an invitation or withdraws a knock. Where no server takes it in, the event is known here only."""

    async def invite(self, invite: Event, stripped: Sequence[JsonObject]) -> Event:
        """The invitation of a user, signed by their server, too."""

    def leaving_to_others(self, event_id: EventID) -> AbstractContextManager[None]:
        """Meanwhile the event of a local user is sent to nobody, as another server does so."""
