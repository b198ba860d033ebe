"""Whom a user does not want to hear of.

https://spec.matrix.org/v1.19/client-server-api/#ignoring-users
"""

from collections.abc import Collection, Sequence

from homeserver.account_data.store import NO_ROOM, ContentKey, content_of
from homeserver.protocol.json import decode_json
from homeserver.rooms.seen import Seen
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.storage.engine import Transaction

IGNORED_USERS = "m.ignored_user_list"


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


def without_ignored(txn: Transaction, user_nid: int, seen: Sequence[Seen]) -> list[Seen]:
    """Those of the events that a user is shown who does not want to hear of everybody."""
    if all(one.event.is_state for one in seen):
        return list(seen)
    ignored = ignored_users(txn, user_nid)
    return [one for one in seen if not is_ignored(ignored, one.event)] if ignored else list(seen)
