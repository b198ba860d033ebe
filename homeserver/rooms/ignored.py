"""Whom a user does not want to hear of.

https://spec.matrix.org/v1.19/client-server-api/#ignoring-users
"""

from homeserver.account_data.store import NO_ROOM, ContentKey, content_of
from homeserver.protocol.json import decode_json
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
