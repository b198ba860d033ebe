"""What the server itself has to say to its users."""

from datetime import timedelta

from homeserver.account_data.contents import AccountData
from homeserver.account_data.tags import Tags
from homeserver.accounts.profiles import ProfileEditor
from homeserver.app.accounts import AccountParts
from homeserver.app.core import Contribution, Core
from homeserver.app.rooms import RoomParts
from homeserver.notices.api import ServerNoticeEndpoints
from homeserver.notices.binding import NoticeRooms
from homeserver.notices.notices import ServerNotices
from homeserver.runtime.tasks import Every, run_in_background


class NoticeParts:
    """What the server itself has to say to its users."""

    def __init__(
        self,
        core: Core,
        accounts: AccountParts,
        rooms: RoomParts,
        account_data: AccountData,
        binding: NoticeRooms,
    ) -> None:
        settings = core.config.server_notices
        self._binding = binding
        self.notices = ServerNotices(
            None if settings.localpart is None else core.domains.full_user_id(settings.localpart),
            settings,
            accounts.accounts,
            accounts.profiles,
            ProfileEditor(core.db, accounts.profiles, rooms.profile_news),
            rooms.creator,
            rooms.changes,
            rooms.sender,
            rooms.heads,
            rooms.members,
            Tags(account_data),
            core.db,
        )

    def start_at(self, _: int) -> None:
        """Called once the journal has started."""
        run_in_background("who speaks for the server", self.notices.introduce())

    def part(self) -> Contribution:
        return Contribution(
            [ServerNoticeEndpoints(self.notices)],
            [Every("rooms of the server's notices", timedelta(days=1), self._binding.forget_deactivated)],
        )
