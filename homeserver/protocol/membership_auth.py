"""The authorisation rules for `m.room.member`.

https://spec.matrix.org/v1.19/rooms/v12/#authorisation-rules, rule 5, as whose parts the numbers here are meant; the
other room versions have the same rules without what their flags lack.
"""

from collections.abc import Callable
from typing import TypeAlias

from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import server_of
from homeserver.protocol.json import JsonValue
from homeserver.protocol.power_levels import creators
from homeserver.protocol.room_state import AuthRejected, RoomState
from homeserver.protocol.third_party_invites import check_third_party_invite

_Rule: TypeAlias = Callable[[Event, str, RoomState], None]

AUTHORISED_VIA = "join_authorised_via_users_server"


def check_membership(event: Event, room: RoomState) -> None:
    """Raises AuthRejected unless the change of membership is allowed."""
    if event.state_key is None or "membership" not in event.content:
        raise AuthRejected("A membership event needs a state key and a membership")
    _check_has_server(event.state_key)
    if room.version.restricted and AUTHORISED_VIA in event.content:
        _check_authorising_signature(event, event.content[AUTHORISED_VIA])
    rule = _RULES.get(event.membership or "")
    if rule is None or (rule is _check_knock and not room.version.knock):
        raise AuthRejected("The membership is unknown")
    rule(event, event.state_key, room)


def _check_has_server(target: str) -> None:
    """The specification does not ask for it, but on the network only users have memberships."""
    try:
        server_of(target)
    except InvalidParam:
        raise AuthRejected("The state key of the membership event names no server") from None


def _check_authorising_signature(event: Event, authorising_user: JsonValue) -> None:
    """Rule 5.2. That the signature is there; whether it is valid was verified when the event came in."""
    try:
        server_name = server_of(authorising_user) if isinstance(authorising_user, str) else None
    except InvalidParam:
        server_name = None
    if server_name is None or not event.signatures.get(server_name):
        raise AuthRejected("The join is not signed by the server that is said to authorise it")


def _check_join(event: Event, target: str, room: RoomState) -> None:
    """Rule 5.3."""
    # Of the creators, only the one who made the create event needs no join rule.
    if event.prev_events == (room.create.event_id,) and target == creators(room.create)[0]:
        return
    if event.sender != target:
        raise AuthRejected("Nobody can make another user join")
    membership = room.membership_of(event.sender)
    if membership == "ban":
        raise AuthRejected("The sender is banned")
    join_rule = room.join_rule
    if join_rule == "public":
        return
    is_restricted = _is_restricted(join_rule, room)
    if not is_restricted and not _is_by_invitation(join_rule, room):
        raise AuthRejected("The join rule lets nobody join")
    if membership in {"invite", "join"}:
        return
    if not is_restricted:
        raise AuthRejected("The sender is not invited")
    _check_authorising_user(event.content.get(AUTHORISED_VIA), room)


def _is_by_invitation(join_rule: object, room: RoomState) -> bool:
    return join_rule == "invite" or (join_rule == "knock" and room.version.knock)


def _is_restricted(join_rule: object, room: RoomState) -> bool:
    if join_rule == "restricted":
        return room.version.restricted
    return join_rule == "knock_restricted" and room.version.knock_restricted


def _check_authorising_user(user_id: JsonValue, room: RoomState) -> None:
    """Rule 5.3.5.2."""
    if not isinstance(user_id, str) or room.membership_of(user_id) != "join":
        raise AuthRejected("The user who authorises the join is not in the room")
    if room.levels.user(user_id) < room.levels.invite:
        raise AuthRejected("The user who authorises the join may not invite")


def _check_invite(event: Event, target: str, room: RoomState) -> None:
    """Rule 5.4."""
    if "third_party_invite" in event.content:
        check_third_party_invite(event, target, room)
        return
    _check_sender_joined(event, room)
    if room.membership_of(target) in {"join", "ban"}:
        raise AuthRejected("The target is in the room already, or banned")
    if room.levels.user(event.sender) < room.levels.invite:
        raise AuthRejected("The sender's power level is below the invite level")


def _check_leave(event: Event, target: str, room: RoomState) -> None:
    """Rule 5.5."""
    if event.sender == target:
        may_leave = {"invite", "join", "knock"} if room.version.knock else {"invite", "join"}
        if room.membership_of(target) not in may_leave:
            raise AuthRejected("The sender is not in the room")
        return
    _check_sender_joined(event, room)
    level = room.levels.user(event.sender)
    if room.membership_of(target) == "ban" and level < room.levels.ban:
        raise AuthRejected("The sender's power level is below the ban level")
    if level < room.levels.kick:
        raise AuthRejected("The sender's power level is below the kick level")
    _check_outranks(event, target, room)


def _check_ban(event: Event, target: str, room: RoomState) -> None:
    """Rule 5.6."""
    _check_sender_joined(event, room)
    if room.levels.user(event.sender) < room.levels.ban:
        raise AuthRejected("The sender's power level is below the ban level")
    _check_outranks(event, target, room)


def _check_knock(event: Event, target: str, room: RoomState) -> None:
    """Rule 5.7."""
    join_rule = room.join_rule
    if join_rule != "knock" and not (join_rule == "knock_restricted" and room.version.knock_restricted):
        raise AuthRejected("The join rule does not let anyone knock")
    if event.sender != target:
        raise AuthRejected("Nobody can knock for another user")
    if room.membership_of(event.sender) in {"ban", "invite", "join"}:
        raise AuthRejected("The sender is banned, invited, or in the room already")


def _check_sender_joined(event: Event, room: RoomState) -> None:
    if room.membership_of(event.sender) != "join":
        raise AuthRejected("The sender is not in the room")


def _check_outranks(event: Event, target: str, room: RoomState) -> None:
    if room.levels.user(target) >= room.levels.user(event.sender):
        raise AuthRejected("The target is at least as powerful as the sender")


_RULES: dict[str, _Rule] = {
    "join": _check_join,
    "invite": _check_invite,
    "leave": _check_leave,
    "ban": _check_ban,
    "knock": _check_knock,
}
