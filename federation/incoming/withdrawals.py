"""Invitations to rooms that are not known here, which those who sent them take back.

The specification has nothing of it; servers send the event that ends an invitation as any other.
"""

from collections.abc import Sequence

from federation.incoming.pdu_checks import PduChecks
from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.errors import UnsupportedRoomVersion
from homeserver.protocol.identifiers import USER_ID, EventID, RoomID, UserID
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.protocol.room_versions import room_version
from homeserver.rooms.elsewhere import RoomsElsewhere


class Withdrawals:
    def __init__(self, elsewhere: RoomsElsewhere, checks: PduChecks, domains: LocalDomains) -> None:
        self._elsewhere = elsewhere
        self._checks = checks
        self._domains = domains

    async def take(self, room_id: RoomID, pdus: Sequence[JsonObject]) -> list[EventID]:
        """Those of a room's events that end invitations, which are no more then.

        Nobody here can tell who has the power to, so that only who invited is believed, and only in an event that the
        invitation authorises.
        """
        ended = []
        for pdu in pdus:
            target = pdu.get("state_key")
            if pdu.get("type") == "m.room.member" and self._is_local(target):
                event_id = await self._end(room_id, UserID(str(target)), pdu)
                ended += [] if event_id is None else [event_id]
        return ended

    async def _end(self, room_id: RoomID, target: UserID, pdu: JsonObject) -> EventID | None:
        invited = await self._elsewhere.of(target, room_id)
        if invited is None or invited.membership != "invite":
            return None
        try:
            events = await self._checks.usable([pdu], room_version(invited.version))
        except UnsupportedRoomVersion:
            return None
        for event in events:
            is_theirs = event.room_id == room_id and event.sender == invited.sender
            follows = decode_json(invited.event)["event_id"] in event.auth_events
            if is_theirs and follows and event.membership in ("leave", "ban"):
                await self._elsewhere.put(event, [])
                return event.event_id
        return None

    def _is_local(self, state_key: object) -> bool:
        is_user = isinstance(state_key, str) and USER_ID.fullmatch(state_key) is not None
        return is_user and self._domains.is_local(str(state_key))
