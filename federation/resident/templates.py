"""Events that this server proposes, and others complete and sign: joins, knocks and leaves of their users.

https://spec.matrix.org/v1.19/server-server-api/#joining-rooms and the sections after it
"""

from collections.abc import Collection

from federation.incoming.admission import Admission
from federation.incoming.edu_senders import check_is_of
from federation.resident.join_authority import JoinAuthority
from homeserver.protocol.errors import IncompatibleRoomVersion
from homeserver.protocol.identifiers import RoomID, ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import EventIDForm, RoomVersion
from homeserver.rooms.draft import Draft
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.send import EventBuilder, slots_to_authorise

# What the other server makes itself.
_NOT_PROPOSED = frozenset({"event_id", "hashes", "signatures"})


class MembershipTemplates:
    """All raise what `Admission.check` does, and Forbidden where the rules of the room say no.

    Joins and knocks raise what `Admission.check_whole` does.
    """

    def __init__(
        self,
        admission: Admission,
        heads: Heads,
        builder: EventBuilder,
        authority: JoinAuthority,
        server_name: ServerName,
    ) -> None:
        self._admission = admission
        self._heads = heads
        self._builder = builder
        self._authority = authority
        self._server_name = server_name

    async def join(
        self, origin: ServerName, room_id: RoomID, user_id: UserID, versions: Collection[str]
    ) -> tuple[RoomVersion, JsonObject]:
        """Raises IncompatibleRoomVersion for a room of none of the `versions`, and what `JoinAuthority` does."""
        check_is_of(origin, user_id)
        head = await self._admission.check_whole(room_id, origin)
        _check_version(head, versions)
        return await self._template(head, user_id, await self._authority.content(head, user_id))

    async def knock(
        self, origin: ServerName, room_id: RoomID, user_id: UserID, versions: Collection[str]
    ) -> tuple[RoomVersion, JsonObject]:
        """Raises IncompatibleRoomVersion."""
        check_is_of(origin, user_id)
        head = await self._admission.check_whole(room_id, origin)
        _check_version(head, versions)
        return await self._template(head, user_id, {"membership": "knock"})

    async def leave(
        self, origin: ServerName, room_id: RoomID, user_id: UserID
    ) -> tuple[RoomVersion, JsonObject]:
        check_is_of(origin, user_id)
        head = await self._admission.check(room_id, origin)
        return await self._template(head, user_id, {"membership": "leave"})

    async def _template(
        self, head: Head, user_id: UserID, content: JsonObject
    ) -> tuple[RoomVersion, JsonObject]:
        draft = Draft(
            room_id=head.room_id, type="m.room.member", state_key=user_id, sender=user_id, content=content
        )
        # Not what is still on its way to the disk: if it gets lost, what follows it is worth nothing.
        await head.settled()
        await self._heads.load(head, [("m.room.create", ""), *slots_to_authorise(head, draft)])
        if head.version.event_ids is EventIDForm.ASSIGNED:
            await self._heads.load_newest(head)
        # Signed only because the rules are for signed events; the signature is given to nobody.
        event = self._builder.build(head, draft)
        proposed = {key: value for key, value in event.pdu().items() if key not in _NOT_PROPOSED}
        return head.version, {**proposed, "origin": self._server_name}


def _check_version(head: Head, versions: Collection[str]) -> None:
    version = head.version.identifier
    if version not in versions:
        raise IncompatibleRoomVersion(
            f"The room is of version {version}, which your server does not know", room_version=version
        )
