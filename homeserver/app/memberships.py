"""Who is in which room: asked from below and from above the rooms, and so made before them."""

from homeserver.app import shares
from homeserver.app.core import Core
from homeserver.rooms.completed import CompletedRooms
from homeserver.rooms.elsewhere_invitations import ElsewhereInvitations
from homeserver.rooms.head import Heads
from homeserver.rooms.members import Members


class MembershipParts:
    """Who is in which room: asked from below and from above the rooms, and so made before them."""

    def __init__(self, core: Core) -> None:
        self.heads = Heads(core.db, core.budget(shares.HEADS))
        self.completed = CompletedRooms(core.journal, core.db, core.clock)
        self.invitations = ElsewhereInvitations(core.db)
        self.members = Members(
            core.db,
            core.users,
            self.heads,
            core.budget(shares.MEMBERS),
            forget_on_leave=core.config.rooms.forget_on_leave,
        )
