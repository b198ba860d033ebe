"""Looking into a room without joining it: its state and newest events at once, then what comes.

https://spec.matrix.org/v1.19/client-server-api/#room-previews
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from homeserver.account_data.store import account_data_changes
from homeserver.http.requester import Requester
from homeserver.protocol.filters import RoomEventFilter
from homeserver.protocol.identifiers import RoomID
from homeserver.rooms.directory import Directory
from homeserver.rooms.state import RoomStates
from homeserver.rooms.timeline import Page, PageWish, Timelines, format_token, parse_token
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.streams.journal import Journal
from homeserver.streams.waiting import Waiting

_LONGEST_WAIT = 60
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Peek:
    """`account_data` is (type, JSON) of what the requester keeps about the room."""

    page: Page
    end: str
    state: Sequence[TimelineEvent]
    is_published: bool
    account_data: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class News:
    """Events of a room between two tokens."""

    page: Page
    start: str
    end: str


class Peeking:
    """For members too; whoever may read a room may peek."""

    def __init__(
        self,
        states: RoomStates,
        timelines: Timelines,
        directory: Directory,
        journal: Journal,
        waiting: Waiting,
        clock: Clock,
        db: Database,
    ) -> None:
        self._states = states
        self._timelines = timelines
        self._directory = directory
        self._journal = journal
        self._waiting = waiting
        self._clock = clock
        self._db = db

    async def begin(self, requester: Requester, room_id: RoomID, limit: int) -> Peek:
        """The state and the newest events, in the order of time. Raises Forbidden."""
        position = self._journal.position
        view, state = await self._states.all(requester, room_id)
        wish = PageWish(format_token(position), None, True, limit, RoomEventFilter())
        page = await self._timelines.page(requester, room_id, wish)
        if not limit:
            page = replace(page, chunk=())
        kept = await self._db.read(account_data_changes, requester.user_nid, 0, position)
        return Peek(
            page=page,
            end=format_token(position),
            state=state,
            is_published=await self._directory.is_published(view.room),
            account_data=[(type_, content) for room, type_, content in kept if room == view.room],
        )

    async def events(self, requester: Requester, room_id: RoomID, start: str | None, timeout: float) -> News:
        """What comes after `start`, as soon as there is something, or nothing after `timeout` seconds.

        Raises Forbidden, InvalidParam.
        """
        deadline = self._clock.seconds() + min(timeout, _LONGEST_WAIT)
        since = self._journal.position if start is None else parse_token(start)
        while True:
            position = self._journal.position
            wish = PageWish(format_token(since), None, False, _PAGE, RoomEventFilter())
            page = await self._timelines.page(requester, room_id, wish)
            left = deadline - self._clock.seconds()
            if page.chunk or left <= 0 or not await self._wait(page.view.room, position, left):
                return News(page, format_token(since), page.end or _end(page, max(since, position)))

    async def _wait(self, room: int, position: int, seconds: float) -> bool:
        """Whether there may be news. What came while we looked is not waited for."""
        if self._journal.position != position:
            return True
        return await self._waiting.until([("room", room)], seconds)


def _end(page: Page, position: int) -> str:
    return format_token(max([position, *(seen.event.position for seen in page.chunk)]))
