"""Making an event of one that another server proposed.

https://spec.matrix.org/v1.19/server-server-api/#joining-rooms
"""

from collections.abc import Mapping

from federation.client.membership import EventTemplate
from homeserver.protocol.errors import (
    IncompatibleRoomVersion,
    MatrixError,
    RemoteFailed,
    UnsupportedRoomVersion,
)
from homeserver.protocol.events import Event, Proposal, build_event, parse_pdu
from homeserver.protocol.identifiers import EventID, RoomID, UserID, server_of
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.room_versions import EventIDForm, RoomVersion
from homeserver.protocol.signing import EventSigner
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness


class MemberEvents:
    """Member events of local users in rooms of which only others know where they stand."""

    def __init__(self, signer: EventSigner, clock: Clock, randomness: Randomness) -> None:
        self._signer = signer
        self._clock = clock
        self._randomness = randomness

    def of(self, template: EventTemplate, user_id: UserID, room_id: RoomID, content: JsonObject) -> Event:
        """The user's member event, signed. Of the template only its place is taken, and who authorises a join.

        Raises IncompatibleRoomVersion for a room of a version that is not known here, RemoteFailed where the
        template is of another kind or of no use.
        """
        try:
            version = template.version
        except UnsupportedRoomVersion:
            raise IncompatibleRoomVersion(
                f"This server does not know room version {template.room_version}",
                room_version=template.room_version,
            ) from None
        proposed = template.event
        self._check(proposed, user_id, room_id, content)
        try:
            event = build_event(self._proposal(proposed, version, user_id, room_id, content), self._signer)
            return parse_pdu(event.pdu(), version)
        except (MatrixError, ValueError, TypeError, LookupError) as error:
            raise RemoteFailed(f"The other server proposed an event of no use: {error}") from error

    def alone(self, user_id: UserID, room_id: RoomID, version: RoomVersion, content: JsonObject) -> Event:
        """A member event without a place in the room, which no other server would take."""
        template: JsonObject = {"prev_events": [], "auth_events": [], "depth": 1}
        return build_event(self._proposal(template, version, user_id, room_id, content), self._signer)

    def _check(self, proposed: JsonObject, user_id: UserID, room_id: RoomID, content: JsonObject) -> None:
        theirs = proposed.get("content")
        expected: JsonObject = {
            "type": "m.room.member",
            "room_id": room_id,
            "sender": user_id,
            "state_key": user_id,
        }
        membership = theirs.get("membership") if isinstance(theirs, dict) else None
        if membership != content["membership"] or any(
            proposed.get(key) != value for key, value in expected.items()
        ):
            raise RemoteFailed("The other server proposed another event than it was asked for")

    def _proposal(
        self,
        proposed: JsonObject,
        version: RoomVersion,
        user_id: UserID,
        room_id: RoomID,
        content: JsonObject,
    ) -> Proposal:
        assigned = version.event_ids is EventIDForm.ASSIGNED
        edges = [*proposed["prev_events"], *proposed["auth_events"]] if version.edges_carry_hashes else []
        return Proposal(
            version=version,
            room_id=room_id,
            type="m.room.member",
            state_key=user_id,
            sender=user_id,
            content={**content, **_authoriser(proposed, version, content)},
            origin_server_ts=self._clock.now_ms(),
            depth=proposed["depth"],
            prev_events=_edges(proposed["prev_events"], version),
            auth_events=_edges(proposed["auth_events"], version),
            event_id=EventID(f"${self._randomness.token(18)}:{server_of(user_id)}") if assigned else None,
            edge_hashes=_edge_hashes(edges),
        )


def _authoriser(proposed: JsonObject, version: RoomVersion, content: JsonObject) -> JsonObject:
    authoriser = proposed.get("content", {}).get(AUTHORISED_VIA)
    is_restricted = version.restricted and content["membership"] == "join"
    return {AUTHORISED_VIA: authoriser} if is_restricted and isinstance(authoriser, str) else {}


def _edges(edges: list[JsonValue], version: RoomVersion) -> tuple[EventID, ...]:
    return tuple(edge[0] for edge in edges) if version.edges_carry_hashes else tuple(edges)


def _edge_hashes(edges: list[JsonValue]) -> Mapping[EventID, str]:
    return {event_id: hashes["sha256"] for event_id, hashes in edges if "sha256" in hashes}
