"""Table appservice_list_change: whose keys a service is to look at again, or need not any more."""

from collections.abc import Iterable
from typing import NamedTuple

from homeserver.protocol.identifiers import UserID
from homeserver.storage.engine import Transaction

_IS_SEEN = """
    EXISTS (
        SELECT 1 FROM room_member m JOIN appservice_room a ON a.room = m.room AND a.service = %(service)s
        WHERE m.user_nid = c.user_nid AND m.membership = 'join'
    )
"""


class ChangedUser(NamedTuple):
    """`is_seen` says whether the user shares a room with one of the service's."""

    user_id: UserID
    is_seen: bool


def put_list_changes(txn: Transaction, rows: Iterable[tuple[str, int, int]], now_ms: int) -> None:
    """Each is (service, user, position)."""
    newest = {(service, user): position for service, user, position in rows}
    txn.execute_many(
        """
        INSERT INTO appservice_list_change (service, user_nid, position, changed_at)
        VALUES (%(service)s, %(user)s, %(position)s, %(now_ms)s)
        ON CONFLICT (service, user_nid) DO UPDATE
        SET position = excluded.position, changed_at = excluded.changed_at
        """,
        [
            {"service": service, "user": user, "position": position, "now_ms": now_ms}
            for (service, user), position in sorted(newest.items())
        ],
    )


def oldest_list_changes(txn: Transaction, service: str, upto: int, limit: int) -> list[int]:
    """The positions of the oldest changes for a service, up to a position."""
    rows = txn.rows(
        """
        SELECT position FROM appservice_list_change WHERE service = %(service)s AND position <= %(upto)s
        ORDER BY position LIMIT %(limit)s
        """,
        service=service, upto=upto, limit=limit,
    )  # fmt: skip
    return [position for (position,) in rows]


def changed_users(txn: Transaction, service: str, upto: int) -> list[ChangedUser]:
    """Those of changes up to a position."""
    rows = txn.rows(
        f"""
        SELECT u.user_id, {_IS_SEEN} FROM appservice_list_change c JOIN known_user u ON u.nid = c.user_nid
        WHERE c.service = %(service)s AND c.position <= %(upto)s
        """,
        service=service,
        upto=upto,
    )
    return [ChangedUser(UserID(user_id), bool(is_seen)) for user_id, is_seen in rows]


def services_seeing(txn: Transaction, user_nid: int) -> set[str]:
    """The services that have a user in a room with this one."""
    rows = txn.rows(
        """
        SELECT DISTINCT a.service FROM room_member m JOIN appservice_room a ON a.room = m.room
        WHERE m.user_nid = %(user)s AND m.membership = 'join'
        """,
        user=user_nid,
    )
    return {service for (service,) in rows}


def delete_list_changes(txn: Transaction, service: str, upto: int) -> None:
    txn.execute(
        "DELETE FROM appservice_list_change WHERE service = %(service)s AND position <= %(upto)s",
        service=service, upto=upto,
    )  # fmt: skip


def delete_old_list_changes(txn: Transaction, before_ms: int) -> None:
    """What has waited for longer than anybody should."""
    txn.execute("DELETE FROM appservice_list_change WHERE changed_at < %(before)s", before=before_ms)
