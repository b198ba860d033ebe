"""The authorisation rules: whether a room's state allows an event.

https://spec.matrix.org/v1.19/rooms/v12/#authorisation-rules and those of the other room versions, which have
the same rules without what their flags lack. Rules are numbered as in room version 12, unless it is said otherwise.
"""

from collections.abc import Collection, Sequence

from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.event import Event, Slot
from homeserver.protocol.event_format import limited_fields
from homeserver.protocol.identifiers import USER_ID, EventID, exceeds_bytes, server_of
from homeserver.protocol.json import JsonObject
from homeserver.protocol.membership_auth import AUTHORISED_VIA, check_membership
from homeserver.protocol.power_levels import CREATE, POWER_LEVELS, PowerLevels, StateLookup, UnreadableLevel
from homeserver.protocol.power_levels_auth import check_power_levels
from homeserver.protocol.room_state import AuthRejected, RoomState
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from homeserver.protocol.third_party_invites import third_party_slot

__all__ = ["AuthRejected", "auth_slots", "check_auth", "check_auth_events", "redaction_applies"]


def auth_slots(
    *, type: str, sender: str, state_key: str | None, content: JsonObject, version: RoomVersion
) -> list[Slot]:
    """The slots whose current events an event of this kind cites as its auth events.

    https://spec.matrix.org/v1.19/server-server-api/#auth-events-selection
    """
    if type == "m.room.create":
        return []
    slots = [POWER_LEVELS, ("m.room.member", sender)]
    if not version.room_id_is_create_hash:
        slots.append(CREATE)
    if type == "m.room.member":
        slots += _membership_slots(state_key, content, version)
    # The sender of a membership event is often its target.
    return list(dict.fromkeys(slots))


def _membership_slots(state_key: str | None, content: JsonObject, version: RoomVersion) -> list[Slot]:
    membership = content.get("membership")
    slots = [] if state_key is None else [("m.room.member", state_key)]
    if membership in ("join", "invite", "knock"):
        slots.append(("m.room.join_rules", ""))
    third_party = third_party_slot(content) if membership == "invite" else None
    if third_party is not None:
        slots.append(third_party)
    authorising_user = content.get(AUTHORISED_VIA)
    if membership == "join" and version.restricted and isinstance(authorising_user, str):
        slots.append(("m.room.member", authorising_user))
    return slots


def check_auth_events(
    event: Event, auth_events: Sequence[Event], rejected: Collection[EventID] = frozenset()
) -> None:
    """Rule 3. Raises AuthRejected unless the event cites the auth events it should.

    `auth_events` are the events it cites, `rejected` the IDs of those among them that were rejected.
    """
    if event.type == "m.room.create":
        return
    expected = auth_slots(
        type=event.type,
        sender=event.sender,
        state_key=event.state_key,
        content=event.content,
        version=event.version,
    )
    seen: set[Slot] = set()
    for auth_event in auth_events:
        slot = auth_event.slot if auth_event.is_state else None
        if slot not in expected:
            raise AuthRejected("An auth event is not of those that such an event cites")
        if slot in seen:
            raise AuthRejected("Two auth events are of the same type and state key")
        if auth_event.event_id in rejected:
            raise AuthRejected("An auth event was itself rejected")
        if auth_event.room_id != event.room_id:
            raise AuthRejected("An auth event is of another room")
        seen.add(slot)
    if CREATE in expected and CREATE not in seen:
        raise AuthRejected("The create event is not among the auth events")


def check_auth(event: Event, state: StateLookup) -> None:
    """The rules but the third. Raises AuthRejected unless `state` allows the event.

    `state` is asked for the slots of `auth_slots`, and in every room version for the create event.
    """
    if not event.version.byte_limits:
        _check_byte_limits(event)
    if event.type == "m.room.create":
        _check_create(event)
        return
    try:
        _check_in_room(event, RoomState(state, event.version))
    except UnreadableLevel as error:
        raise AuthRejected(str(error)) from None


def _check_in_room(event: Event, room: RoomState) -> None:
    _check_create_is_of_room(event, room)
    _check_federates(event, room)
    if event.type == "m.room.aliases" and event.version.aliases_authorised_by_server:
        _check_aliases(event)
    elif event.type == "m.room.member":
        check_membership(event, room)
    else:
        _check_sent_by_member(event, room)


def redaction_applies(redaction: Event, target: Event, levels: PowerLevels) -> bool:
    """Whether an accepted redaction redacts `target`. `levels` are those of the state before the redaction.

    https://spec.matrix.org/v1.19/rooms/v3/#handling-redactions
    """
    if redaction.room_id != target.room_id:
        return False
    if _has_redact_power(redaction.sender, levels):
        return True
    if redaction.version.redactions_authorised:
        return _same_server(redaction.event_id, target.event_id)
    return _same_server(redaction.sender, target.sender)


def _has_redact_power(sender: str, levels: PowerLevels) -> bool:
    try:
        return levels.user(sender) >= levels.redact
    except UnreadableLevel:
        return False


def _check_byte_limits(event: Event) -> None:
    """Such events of old rooms were long accepted, so they are not dropped but kept as rejected."""
    for name, text in limited_fields(event.pdu(), event.event_id):
        if exceeds_bytes(text):
            raise AuthRejected(f"The event's {name} is too long")


def _check_create(event: Event) -> None:
    """Rule 1."""
    version = event.version
    if event.prev_events:
        raise AuthRejected("A create event comes first")
    if version.room_id_is_create_hash:
        if event.room_id[1:] != event.event_id[1:]:
            raise AuthRejected("A create event of this room version has no room ID")
    elif not _same_server(event.room_id, event.sender):
        raise AuthRejected("The room ID is of another server than the creator")
    named = event.content.get("room_version", "1")
    if not isinstance(named, str) or named not in ROOM_VERSIONS:
        raise AuthRejected("The room version is unknown")
    if not version.implicit_creator and "creator" not in event.content:
        raise AuthRejected("The create event names no creator")
    if version.privileged_creators:
        _check_additional_creators(event.content)


def _check_additional_creators(content: JsonObject) -> None:
    """Rule 1.4."""
    additional = content.get("additional_creators", [])
    if not isinstance(additional, list) or not all(map(_is_user_id, additional)):
        raise AuthRejected("The additional creators are not a list of user IDs")


def _is_user_id(value: object) -> bool:
    return isinstance(value, str) and USER_ID.fullmatch(value) is not None and not exceeds_bytes(value)


def _check_create_is_of_room(event: Event, room: RoomState) -> None:
    """Rule 2, which is new; before, an auth event of another room is rejected."""
    if event.version.room_id_is_create_hash and event.room_id != room.create.room_id:
        raise AuthRejected("The room ID is not that of the create event")


def _check_federates(event: Event, room: RoomState) -> None:
    """Rule 4."""
    if room.create.content.get("m.federate") is False and not _same_server(event.sender, room.create.sender):
        raise AuthRejected("The room is closed to other servers")


def _check_aliases(event: Event) -> None:
    """Rule 4 of room versions 1 to 5."""
    if event.state_key is None or event.state_key != server_of(event.sender):
        raise AuthRejected("A server can set no other server's aliases")


def _check_sent_by_member(event: Event, room: RoomState) -> None:
    """Rules 6 to 11, for everything but create, membership and (in old versions) aliases events."""
    if room.membership_of(event.sender) != "join":
        raise AuthRejected("The sender is not in the room")
    level = room.levels.user(event.sender)
    if event.type == "m.room.third_party_invite":
        if level < room.levels.invite:
            raise AuthRejected("The sender's power level is below the invite level")
        return
    if level < room.levels.required_for(event.type, event.is_state):
        raise AuthRejected("The sender's power level is below that required for the event's type")
    if event.state_key is not None and event.state_key.startswith("@") and event.state_key != event.sender:
        raise AuthRejected("The state key is another user's ID")
    if event.type == "m.room.power_levels":
        check_power_levels(event, room)
    elif event.type == "m.room.redaction" and event.version.redactions_authorised:
        _check_redaction(event, room)


def _check_redaction(event: Event, room: RoomState) -> None:
    """Rule 11 of room versions 1 and 2."""
    if room.levels.user(event.sender) >= room.levels.redact:
        return
    if event.redacts is None or not _same_server(event.redacts, event.event_id):
        raise AuthRejected("The sender's power level is below the redact level")


def _same_server(one: str, other: str) -> bool:
    try:
        return server_of(one) == server_of(other)
    except InvalidParam:
        return False
