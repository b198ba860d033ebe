"""What users report to the server's administrators: events, rooms and users.

https://spec.matrix.org/v1.19/client-server-api/#reporting-content
"""

from homeserver.accounts.accounts import Accounts
from homeserver.accounts.domains import LocalDomains
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, NotFound
from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.reports.store import (
    Kind,
    NewReport,
    Report,
    Wanted,
    delete_report,
    delete_reports_before,
    insert_report,
    list_reports,
    report_by_id,
)
from homeserver.rooms.event_lookup import EventLookup
from homeserver.rooms.head import Heads
from homeserver.rooms.members import Members
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary

KEPT_DAYS = 365
"""A report that nobody deleted ends after so long."""

_DAY_MS = 24 * 3600 * 1000


class StoredReports:
    """Reports as administrators see them."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def list(
        self, wanted: Wanted, offset: int = 0, limit: int = 100, *, newest_first: bool = True
    ) -> tuple[list[Report], int]:
        """A page of reports, and how many there are in all."""
        return await self._db.read(list_reports, wanted, offset, limit, newest_first=newest_first)

    async def get(self, kind: Kind, report_id: int) -> Report:
        """Raises NotFound."""
        report = await self._db.read(report_by_id, kind, report_id)
        if report is None:
            raise NotFound("There is no such report")
        return report

    async def delete(self, kind: Kind, report_id: int) -> None:
        """Raises NotFound."""
        if not await self._db.write(delete_report, kind, report_id):
            raise NotFound("There is no such report")

    async def forget_old(self) -> None:
        """For a task: reports end after `KEPT_DAYS`."""
        await self._db.write(delete_reports_before, self._clock.now_ms() - KEPT_DAYS * _DAY_MS)


class Reporting:
    """Takes reports."""

    def __init__(
        self,
        db: Database,
        users: Dictionary[UserID],
        accounts: Accounts,
        domains: LocalDomains,
        heads: Heads,
        members: Members,
        events: EventLookup,
        clock: Clock,
    ) -> None:
        self._db = db
        self._users = users
        self._accounts = accounts
        self._domains = domains
        self._heads = heads
        self._members = members
        self._events = events
        self._clock = clock

    async def report_event(
        self,
        requester: Requester,
        room_id: RoomID,
        event_id: EventID,
        reason: str | None,
        score: int | None = None,
    ) -> None:
        """Raises NotFound where the requester is not joined, or the room has no such event."""
        try:
            room = await self._members.require_joined(room_id, requester.user_id)
        except Forbidden as error:
            raise NotFound("You are not joined to this room") from error
        if await self._events.position_of(room_id, event_id) is None:
            raise NotFound("There is no such event in this room")
        await self._store(requester, "event", reason, room=room, event_id=event_id, score=score)

    async def report_room(self, requester: Requester, room_id: RoomID, reason: str) -> None:
        """Nobody need be in the room. Raises NotFound where it is not known here."""
        room = await self._heads.nid_of(room_id)
        await self._store(requester, "room", reason, room=room)

    async def report_user(self, requester: Requester, user_id: UserID, reason: str) -> None:
        """Raises NotFound where there is no such user here, or none was heard of on another server."""
        target = await self._users.find(user_id)
        is_local = self._domains.is_local(user_id)
        if target is None or (is_local and await self._accounts.find(user_id) is None):
            raise NotFound("There is no such user")
        await self._store(requester, "user", reason, target=target)

    async def _store(
        self,
        requester: Requester,
        kind: Kind,
        reason: str | None,
        *,
        room: int | None = None,
        event_id: EventID | None = None,
        target: int | None = None,
        score: int | None = None,
    ) -> None:
        now = self._clock.now_ms()
        report = NewReport(kind, requester.user_nid, reason, now, room, event_id, target, score)
        await self._db.write(insert_report, report)
