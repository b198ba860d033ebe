"""What a user has the power to do in a room, asked before anything is sent."""

from homeserver.protocol.identifiers import UserID
from homeserver.protocol.power_levels import PowerLevels, power_levels
from homeserver.rooms.head import Head, Heads

_POWER_SLOTS = (("m.room.create", ""), ("m.room.power_levels", ""))


async def may_set(heads: Heads, head: Head, user_id: UserID, type_: str) -> bool:
    """Whether the user is joined to the room and may set state of the type.

    Raises UnreadableLevel, which is a Forbidden, where the levels are none.
    """
    levels = await _levels_for(heads, head, user_id)
    return levels is not None and levels.user(user_id) >= levels.required_for(type_, is_state=True)


async def may_invite(heads: Heads, head: Head, user_id: UserID) -> bool:
    """Whether the user is joined to the room and may invite anybody. Raises UnreadableLevel."""
    levels = await _levels_for(heads, head, user_id)
    return levels is not None and levels.user(user_id) >= levels.invite


async def _levels_for(heads: Heads, head: Head, user_id: UserID) -> PowerLevels | None:
    """The levels in the room; None where the user is not joined to it."""
    member = ("m.room.member", str(user_id))
    await heads.load(head, [*_POWER_SLOTS, member])
    event = head.get(member)
    if event is None or event.membership != "join":
        return None
    return power_levels(head.state, head.version)
