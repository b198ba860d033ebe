"""How users find each other, and whom they complain to."""

from datetime import timedelta

from homeserver.app.accounts import AccountParts
from homeserver.app.core import Contribution, Core
from homeserver.app.rooms import RoomParts
from homeserver.reports.api import ReportEndpoints
from homeserver.reports.reports import Reporting, StoredReports
from homeserver.runtime.tasks import Every
from homeserver.search.api.messages import MessageSearchEndpoints
from homeserver.search.api.mutual_rooms import MutualRoomsEndpoints
from homeserver.search.api.user_directory import UserDirectoryEndpoints
from homeserver.search.messages import MessageSearch
from homeserver.search.mutual_rooms import MutualRooms
from homeserver.search.user_directory import UserDirectory
from homeserver.search.user_index import UserIndex
from homeserver.storage.full_text import full_text


class PeopleParts:
    """How users find each other, and whom they complain to."""

    def __init__(self, core: Core, accounts: AccountParts, rooms: RoomParts, user_index: UserIndex) -> None:
        self._user_index = user_index
        directory = UserDirectory(core.db, user_index, rooms.members, core.config.people)
        self.reports = StoredReports(core.db, core.clock)
        reporting = Reporting(
            core.db,
            core.users,
            accounts.accounts,
            core.domains,
            rooms.heads,
            rooms.members,
            rooms.lookup,
            core.clock,
        )
        self._endpoints = [
            ReportEndpoints(reporting),
            MutualRoomsEndpoints(MutualRooms(rooms.members, core.users)),
            UserDirectoryEndpoints(directory),
            MessageSearchEndpoints(self._message_search(core, rooms), core.clock),
        ]

    def _message_search(self, core: Core, rooms: RoomParts) -> MessageSearch:
        enabled = core.config.search.enabled
        index = full_text(core.db.engine_name, "search_message", "event") if enabled else None
        return MessageSearch(index, rooms.members, rooms.views, core.users, core.journal, core.db)

    def part(self) -> Contribution:
        return Contribution(
            self._endpoints,
            [
                Every("old reports", timedelta(days=1), self.reports.forget_old),
                Every("user directory", timedelta(minutes=1), self._user_index.catch_up),
                Every("departed users", timedelta(minutes=10), self._user_index.forget_departed),
            ],
        )
