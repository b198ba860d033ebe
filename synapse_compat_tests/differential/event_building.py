"""Properly built and signed events of drafts."""

from collections.abc import Sequence

from homeserver.protocol.event import Event
from homeserver.protocol.event_signatures import sign_event
from homeserver.protocol.events import Proposal, build_event
from homeserver.protocol.identifiers import EventID, RoomID, ServerName, UserID, server_of
from homeserver.protocol.room_versions import EventIDForm, RoomVersion
from homeserver.protocol.signing import EventSigner, SigningKey
from synapse_compat_tests.differential.drafts import Draft


def built(
    wanted: Draft,
    version: RoomVersion,
    create: Event | None,
    *,
    number: int,
    origin_server_ts: int,
    depth: int,
    prev_events: Sequence[EventID],
    auth_events: Sequence[EventID],
) -> Event:
    """`number` tells the event from all others of the room; `create` is None for the create event itself."""
    is_assigned = version.event_ids is EventIDForm.ASSIGNED
    proposal = Proposal(
        version=version,
        room_id=create.room_id if create is not None else _new_room_id(version),
        type=wanted.type,
        state_key=wanted.state_key,
        sender=wanted.sender,
        content=wanted.content,
        origin_server_ts=origin_server_ts,
        depth=depth,
        prev_events=tuple(prev_events),
        auth_events=tuple(auth_events),
        redacts=wanted.redacts,
        event_id=EventID(f"$é{number}:{server_of(wanted.sender)}") if is_assigned else None,
    )
    event = build_event(proposal, signer_of(wanted.sender))
    return event if wanted.cosigner is None else sign_event(event, signer_of(wanted.cosigner))


def signer_of(user_id: UserID) -> EventSigner:
    """The signing identity of the user's server, always the same."""
    server_name = server_of(user_id)
    return EventSigner(ServerName(server_name), SigningKey("1", server_name.encode().ljust(32, b"\0")))


def _new_room_id(version: RoomVersion) -> RoomID | None:
    return None if version.room_id_is_create_hash else RoomID("!room:a.example")
