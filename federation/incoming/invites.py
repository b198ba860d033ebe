"""Invitations of local users to rooms of other servers.

https://spec.matrix.org/v1.19/server-server-api/#inviting-to-a-room
"""

from collections.abc import Sequence

from federation.incoming.admission import Admission
from federation.incoming.edu_senders import check_is_of
from federation.incoming.pdu_checks import PduChecks, Unusable
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.errors import Forbidden, IncompatibleRoomVersion, InvalidParam, NotFound
from homeserver.protocol.event_signatures import sign_event
from homeserver.protocol.events import Event, parse_pdu
from homeserver.protocol.hashes import content_hash_matches
from homeserver.protocol.identifiers import USER_ID, EventID, RoomID, ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from homeserver.protocol.signing import EventSigner
from homeserver.protocol.stripped import MOST_TOLD, stripped_by_others
from homeserver.rooms.elsewhere import RoomsElsewhere
from homeserver.rooms.inviting import Inviting


class ReceivedInvites:
    def __init__(
        self,
        admission: Admission,
        checks: PduChecks,
        accounts: Accounts,
        inviting: Inviting,
        elsewhere: RoomsElsewhere,
        domains: LocalDomains,
        signer: EventSigner,
    ) -> None:
        self._admission = admission
        self._checks = checks
        self._accounts = accounts
        self._inviting = inviting
        self._elsewhere = elsewhere
        self._domains = domains
        self._signer = signer

    async def receive(
        self,
        origin: ServerName,
        room_id: RoomID,
        event_id: EventID,
        room_version: str,
        pdu: JsonObject,
        told: Sequence[JsonObject],
    ) -> JsonObject:
        """The invitation with our signature, which says no more than that it has arrived.

        `told` is what the room says of itself. Raises InvalidParam where the event or that is not what it has to be,
        IncompatibleRoomVersion, and Forbidden or InviteBlocked where the user cannot or will not be invited.
        """
        version = ROOM_VERSIONS.get(room_version)
        if version is None:
            raise IncompatibleRoomVersion(
                "This server does not know the room's version", room_version=room_version
            )
        event = await self._read(origin, room_id, event_id, pdu, version)
        target = UserID(event.state_key or "")
        account = await self._accounts.find(target)
        if account is None or account.deactivated_at is not None:
            raise Forbidden("There is no such user on this server")
        stripped = await self._stripped(event, told)
        is_here = await self._is_here(room_id, origin)
        await self._inviting.check(event.sender, room_id, target)
        if not is_here:
            await self._elsewhere.put(event, stripped)
        return sign_event(event, self._signer).pdu()

    async def _read(
        self, origin: ServerName, room_id: RoomID, event_id: EventID, pdu: JsonObject, version: RoomVersion
    ) -> Event:
        event = parse_pdu(pdu, version)
        if event.event_id != event_id or event.room_id != room_id:
            raise InvalidParam("The event has not the ID, or the room, under which it is sent")
        if event.type != "m.room.member" or event.membership != "invite":
            raise InvalidParam("The event is no invitation")
        if not self._is_local_user(event.state_key):
            raise InvalidParam("The event invites nobody of this server")
        check_is_of(origin, event.sender)
        (checked,) = await self._checks.check([pdu], version)
        if isinstance(checked, Unusable):
            raise InvalidParam(checked.reason)
        if not content_hash_matches(event):
            raise InvalidParam("The hash is not that of the event")
        return event

    async def _stripped(self, invite: Event, told: Sequence[JsonObject]) -> list[JsonObject]:
        """What clients are shown of the room, checked where other servers are to send whole events."""
        if len(told) > MOST_TOLD:
            raise InvalidParam("The room says too much of itself")
        # COMPAT(synapse): in older versions servers send stripped events, of which nothing can be proved.
        # And some of them say nothing of newer rooms either.
        if told and invite.version.room_id_is_create_hash:
            await self._check_told(invite, told)
        return stripped_by_others(told)

    async def _check_told(self, invite: Event, told: Sequence[JsonObject]) -> None:
        events = []
        for checked in await self._checks.check(told, invite.version):
            if isinstance(checked, Unusable):
                raise InvalidParam(f"What the room says of itself is wrong: {checked.reason}")
            events.append(checked)
        if any(event.room_id != invite.room_id for event in events):
            raise InvalidParam("What the room says of itself is of another room")
        if not any(event.is_state and event.slot == ("m.room.create", "") for event in events):
            raise InvalidParam("The room does not show its create event")

    async def _is_here(self, room_id: RoomID, origin: ServerName) -> bool:
        """Whether somebody here is in the room, so that the event comes with all others. Raises Forbidden."""
        try:
            await self._admission.check(room_id, origin)
        except NotFound:
            return False
        return True

    def _is_local_user(self, state_key: str | None) -> bool:
        is_user = state_key is not None and USER_ID.fullmatch(state_key) is not None
        return is_user and self._domains.is_local(str(state_key))
