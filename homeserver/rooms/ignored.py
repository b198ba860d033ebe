"""Whom a user does not want to hear of.

https://spec.matrix.org/v1.19/client-server-api/#ignoring-users
"""

from collections import OrderedDict
from collections.abc import Collection, Sequence

from homeserver.account_data.contents import AccountData
from homeserver.account_data.store import NO_ROOM, ContentKey, content_of
from homeserver.protocol.json import decode_json
from homeserver.rooms.seen import Seen
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal

IGNORED_USERS = "m.ignored_user_list"
_MOST_USERS = 10_000


class IgnoredUsers:
    """Whom users ignore, from memory where they were asked about lately."""

    def __init__(self, db: Database, journal: Journal, account_data: AccountData) -> None:
        self._db = db
        self._journal = journal
        self._account_data = account_data
        # With the position of the journal when they were read.
        self._known: OrderedDict[int, tuple[int, frozenset[str]]] = OrderedDict()

    async def of(self, user_nid: int) -> frozenset[str]:
        """The IDs of the users whom a user ignores."""
        read_at, ignored = self._known.get(user_nid, (-1, frozenset()))
        if read_at < 0 or self._account_data.changed_after(user_nid, read_at):
            read_at = self._journal.position
            ignored = await self._db.read(ignored_users, user_nid)
            self._known[user_nid] = (read_at, ignored)
            if len(self._known) > _MOST_USERS:
                self._known.popitem(last=False)
        return ignored


def ignored_users(txn: Transaction, user_nid: int) -> frozenset[str]:
    """The IDs of the users whom the user ignores."""
    content = content_of(txn, ContentKey(user_nid, NO_ROOM, IGNORED_USERS))
    listed = None if content is None else decode_json(content).get("ignored_users")
    return frozenset(listed) if isinstance(listed, dict) else frozenset()


def ignored_senders(txn: Transaction, user_nid: int) -> frozenset[int]:
    """Their short ids; those who have none have sent nothing."""
    ignored = ignored_users(txn, user_nid)
    if not ignored:
        return frozenset()
    rows = txn.rows("SELECT nid FROM known_user WHERE user_id IN %(ids)s", ids=list(ignored))
    return frozenset(nid for (nid,) in rows)


def is_ignored(ignored: Collection[str], event: TimelineEvent) -> bool:
    """Whether an event is left out because of its sender. State is for everybody."""
    return not event.is_state and event.sender in ignored


def without_ignored(ignored: Collection[str], seen: Sequence[Seen]) -> list[Seen]:
    """Those of the events that a user is shown who does not want to hear of everybody."""
    return [one for one in seen if not is_ignored(ignored, one.event)] if ignored else list(seen)
