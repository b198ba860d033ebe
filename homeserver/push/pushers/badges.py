"""The number on an app's icon."""

from config.push import Push
from homeserver.push.unread import UnreadCounts
from homeserver.rooms.elsewhere_invitations import ElsewhereInvitations
from homeserver.rooms.members import Members


class Badges:
    """Counts what a user has not read, in all rooms: mostly from memory."""

    def __init__(
        self, unread: UnreadCounts, members: Members, elsewhere: ElsewhereInvitations, settings: Push
    ) -> None:
        self._unread = unread
        self._members = members
        self._elsewhere = elsewhere
        self._by_room = settings.group_unread_count_by_room

    async def of(self, user_nid: int) -> int:
        """Rooms with something unread, or what is unread, as the operator wishes; and invitations."""
        rooms = await self._members.rooms_of(user_nid)
        joined = [room for room, member in rooms.items() if member.membership == "join"]
        invited = sum(member.membership == "invite" for member in rooms.values())
        invited += await self._elsewhere.of(user_nid)
        counts = (await self._unread.of(user_nid, joined)).values()
        unread = [sum(count.notify for count in threads.values()) for threads in counts]
        return invited + sum(1 if self._by_room else number for number in unread if number > 0)
