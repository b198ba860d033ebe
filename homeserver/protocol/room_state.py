"""The state of a room as the authorisation rules see it."""

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.power_levels import CREATE, POWER_LEVELS, PowerLevels, StateLookup
from homeserver.protocol.room_versions import RoomVersion


class AuthRejected(Exception):
    """An event that the authorisation rules of its room do not allow; says which rule and why."""


class RoomState:
    """What the rules ask of a room's state."""

    __slots__ = ("_lookup", "create", "levels", "version")

    def __init__(self, lookup: StateLookup, version: RoomVersion) -> None:
        """Raises AuthRejected where the state has no create event."""
        create = lookup.get(CREATE)
        if create is None:
            raise AuthRejected("The room has no create event")
        self._lookup = lookup
        self.version = version
        self.create = create
        self.levels = PowerLevels(create, lookup.get(POWER_LEVELS), version)

    def event(self, slot: Slot) -> Event | None:
        return self._lookup.get(slot)

    def membership_of(self, user_id: str) -> str:
        member = self._lookup.get(("m.room.member", user_id))
        return (member.membership if member is not None else None) or "leave"

    @property
    def join_rule(self) -> object:
        """Whatever stands in `content.join_rule`; `invite` where nothing does."""
        join_rules = self._lookup.get(("m.room.join_rules", ""))
        return "invite" if join_rules is None else join_rules.content.get("join_rule", "invite")
