"""What a user has the power to do in a room, asked before anything is sent."""

from homeserver.protocol.identifiers import UserID
from homeserver.protocol.power_levels import power_levels
from homeserver.rooms.head import Head, Heads

_POWER_SLOTS = (("m.room.create", ""), ("m.room.power_levels", ""))


async def may_set(heads: Heads, head: Head, user_id: UserID, type_: str) -> bool:
    """Whether the user is joined to the room and may set state of the type.

    Raises UnreadableLevel, which is a Forbidden, where the levels are none.
    """
    member = ("m.room.member", str(user_id))
    await heads.load(head, [*_POWER_SLOTS, member])
    event = head.get(member)
    if event is None or event.membership != "join":
        return False
    levels = power_levels(head.state, head.version)
    return levels.user(user_id) >= levels.required_for(type_, is_state=True)
