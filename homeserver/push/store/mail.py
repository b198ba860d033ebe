"""Table push_mail_throttle, and who is written to."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from homeserver.storage.engine import Transaction


class Throttle(NamedTuple):
    """When a room was last in an e-mail, and for how long it is not again; in ms."""

    room: int
    sent_at: int
    pause: int


def throttles(txn: Transaction, pusher: int) -> Mapping[int, Throttle]:
    """By room."""
    rows = txn.rows(
        "SELECT room, sent_at, pause FROM push_mail_throttle WHERE pusher = %(pusher)s", pusher=pusher
    )
    return {row[0]: Throttle(*row) for row in rows}


def upsert_throttles(txn: Transaction, pusher: int, rows: Collection[Throttle]) -> None:
    txn.execute_many(
        """
        INSERT INTO push_mail_throttle (pusher, room, sent_at, pause)
        VALUES (%(pusher)s, %(room)s, %(sent_at)s, %(pause)s)
        ON CONFLICT (pusher, room) DO UPDATE SET sent_at = excluded.sent_at, pause = excluded.pause
        """,
        [{"pusher": pusher, **row._asdict()} for row in rows],
    )


def delete_old_throttles(txn: Transaction, before_ms: int) -> None:
    """Those of rooms that were last written about before that."""
    txn.execute("DELETE FROM push_mail_throttle WHERE sent_at < %(before)s", before=before_ms)


def is_address_of(txn: Transaction, user_nid: int, address: str) -> bool:
    """Whether the user has shown that the e-mail address is theirs."""
    row = txn.row(
        """
        SELECT 1 FROM account_address
        WHERE medium = 'email' AND address = %(address)s AND user_nid = %(user_nid)s
        """,
        address=address, user_nid=user_nid,
    )  # fmt: skip
    return row is not None


def addresses_of_user(txn: Transaction, user_id: str) -> Sequence[tuple[int, str]]:
    """The user's short id with each of their e-mail addresses."""
    rows = txn.rows(
        """
        SELECT a.user_nid, a.address FROM known_user u JOIN account_address a ON a.user_nid = u.nid
        WHERE u.user_id = %(user_id)s AND a.medium = 'email'
        """,
        user_id=user_id,
    )
    return [(user_nid, address) for user_nid, address in rows]
