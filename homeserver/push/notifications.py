"""The events that users were notified of.

https://spec.matrix.org/v1.19/client-server-api/#listing-notifications
"""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.ephemeral.threads import UNTHREADED
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.json import decode_json
from homeserver.protocol.push_evaluation import Ruleset
from homeserver.protocol.push_rules import Actions
from homeserver.push.store.counts import read_marks
from homeserver.push.store.notifications import NotifiedRow, Stretch, notified
from homeserver.push.store.rules import rules_of
from homeserver.rooms.ignored import ignored_senders
from homeserver.rooms.reading import timeline_events
from homeserver.rooms.store.events import events_by_nid
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


class Notification(NamedTuple):
    """An event with what the user's rules do about it. `ts` is when the server had it, in milliseconds."""

    event: TimelineEvent
    room_id: RoomID
    actions: Actions
    read: bool
    ts: int


class Notifications:
    """Works out anew, for each who asks, what is stored once for all."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def before(
        self, requester: Requester, before: int | None, limit: int, *, highlights: bool
    ) -> tuple[Sequence[Notification], int | None]:
        """The newest, at most `limit`, before a position; where there are more, the position to go on from."""
        # One more, which says whether there is more.
        stretch = Stretch(limit=limit + 1) if before is None else Stretch(before=before, limit=limit + 1)
        found = await self._db.read(_notifications, requester.user_nid, stretch, highlights=highlights)
        page = found[:limit]
        return page, page[-1].event.position if len(found) > limit else None

    async def after(self, user_nid: int, after: int, upto: int, limit: int) -> Sequence[Notification]:
        """For a pusher: what notifies a user at after < position <= upto, in that order, at most `limit`.

        Fewer than `limit` are all that there are.
        """
        stretch = Stretch(after=after, before=upto + 1, limit=limit, newest_first=False)
        return await self._db.read(_notifications, user_nid, stretch)


def _notifications(
    txn: Transaction, user_nid: int, stretch: Stretch, *, highlights: bool = False
) -> list[Notification]:
    rows = notified(txn, user_nid, ignored_senders(txn, user_nid), stretch, highlights=highlights)
    if not rows:
        return []
    ruleset = Ruleset(rules_of(txn, user_nid))
    marks = read_marks(txn, user_nid, list({row.room for row in rows}))
    stored = events_by_nid(txn, [row.nid for row in rows])
    events = {event.nid: event for event in timeline_events(txn, stored)}
    return [
        Notification(events[row.nid], row.room_id, _actions(row, ruleset), _is_read(row, marks), row.ts)
        for row in rows
        if row.nid in events
    ]


def _actions(row: NotifiedRow, ruleset: Ruleset) -> Actions:
    return ruleset.actions_of(row.rule) if row.actions is None else tuple(decode_json(row.actions))


def _is_read(row: NotifiedRow, marks: dict[tuple[int, str], int]) -> bool:
    return any(row.position <= marks.get((row.room, thread), 0) for thread in (UNTHREADED, row.thread))
