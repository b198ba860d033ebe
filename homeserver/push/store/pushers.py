"""Tables pusher and push_reach: who is brought notifications, and how far that has come."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from homeserver.protocol.identifiers import DeviceID, UserID
from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.storage.engine import Transaction

GATEWAY, WEB_PUSH, EMAIL = "http", "webpush", "email"
"""Kinds of pushers."""


class Pusher(NamedTuple):
    """Where a user's notifications go. `device_id` is the session that made it; `changed_at` is in ms.

    One for which `activation` is set waits for its client to send that back. Nothing from up to `since` is for it.
    """

    nid: int
    user_nid: int
    user_id: UserID
    app_id: str
    pushkey: str
    kind: str
    device_id: DeviceID | None
    app_display_name: str
    device_display_name: str
    profile_tag: str | None
    lang: str
    data: JsonObject
    enabled: bool
    activation: str | None
    activation_ends_at: int | None
    changed_at: int
    since: int

    @property
    def is_active(self) -> bool:
        """Whether notifications are brought."""
        return self.enabled and self.activation is None


class NewPusher(NamedTuple):
    """What a client sets."""

    app_id: str
    pushkey: str
    kind: str
    device_nid: int | None
    app_display_name: str
    device_display_name: str
    profile_tag: str | None
    lang: str
    data: JsonObject
    enabled: bool
    activation: str | None = None
    activation_ends_at: int | None = None


class Debt(NamedTuple):
    """What came after the position `after` is owed to a pusher. Times are in ms, None unless it fails."""

    nid: int
    after: int
    failing_since: int | None
    retry_at: int | None


_SELECT = """
    SELECT p.nid, p.user_nid, u.user_id, p.app_id, p.pushkey, p.kind, d.device_id, p.app_display_name,
        p.device_display_name, p.profile_tag, p.lang, p.data, p.enabled, p.activation, p.activation_ends_at,
        p.changed_at, p.since
    FROM pusher p JOIN known_user u ON u.nid = p.user_nid
    LEFT JOIN account_device d ON d.nid = p.device_nid
"""


def pushers_of(txn: Transaction, user_nids: Collection[int]) -> dict[int, list[Pusher]]:
    """All pushers of the users, by user."""
    rows = txn.rows(_SELECT + " WHERE p.user_nid IN %(users)s ORDER BY p.nid", users=list(user_nids))
    found: dict[int, list[Pusher]] = {user_nid: [] for user_nid in user_nids}
    for row in rows:
        pusher = _pusher(row)
        found[pusher.user_nid].append(pusher)
    return found


def pushers_named(txn: Transaction, app_id: str, pushkey: str) -> list[Pusher]:
    """Those of all users."""
    rows = txn.rows(
        _SELECT + " WHERE p.app_id = %(app_id)s AND p.pushkey = %(pushkey)s", app_id=app_id, pushkey=pushkey
    )
    return list(map(_pusher, rows))


def pushers_owed(txn: Transaction) -> list[tuple[Pusher, Debt]]:
    """Those that lack something, with what that is."""
    debts = {
        row[0]: Debt(*row)
        for row in txn.rows(
            "SELECT nid, owed_after, failing_since, retry_at FROM pusher WHERE owed_after IS NOT NULL"
        )
    }
    rows = txn.rows(_SELECT + " WHERE p.owed_after IS NOT NULL ORDER BY p.nid")
    return [(pusher, debts[pusher.nid]) for pusher in map(_pusher, rows) if pusher.nid in debts]


def _pusher(row: Sequence[Any]) -> Pusher:
    found = Pusher(*row)
    return found._replace(data=decode_json(bytes(row[11])), enabled=bool(found.enabled))


def upsert_pusher(txn: Transaction, user_nid: int, new: NewPusher, now_ms: int, position: int) -> None:
    """One that is there is tried again at once, and goes on where it was."""
    txn.execute(
        """
        INSERT INTO pusher (user_nid, app_id, pushkey, kind, device_nid, app_display_name, device_display_name,
            profile_tag, lang, data, enabled, activation, activation_ends_at, changed_at, since)
        VALUES (%(user_nid)s, %(app_id)s, %(pushkey)s, %(kind)s, %(device_nid)s, %(app_display_name)s,
            %(device_display_name)s, %(profile_tag)s, %(lang)s, %(data)s, %(enabled)s, %(activation)s,
            %(activation_ends_at)s, %(now_ms)s, %(position)s)
        ON CONFLICT (app_id, pushkey, user_nid) DO UPDATE SET kind = excluded.kind,
            device_nid = excluded.device_nid, app_display_name = excluded.app_display_name,
            device_display_name = excluded.device_display_name, profile_tag = excluded.profile_tag,
            lang = excluded.lang, data = excluded.data, enabled = excluded.enabled,
            activation = excluded.activation, activation_ends_at = excluded.activation_ends_at,
            changed_at = excluded.changed_at, failing_since = NULL, retry_at = NULL
        """,
        **new._asdict()
        | {
            "user_nid": user_nid,
            "data": encode_json(new.data),
            "enabled": int(new.enabled),
            "now_ms": now_ms,
            "position": position,
        },
    )


def activate(txn: Transaction, nid: int, position: int) -> None:
    """Notifications are brought from the position on."""
    txn.execute(
        """
        UPDATE pusher SET activation = NULL, activation_ends_at = NULL, since = %(position)s
        WHERE nid = %(nid)s
        """,
        nid=nid, position=position,
    )  # fmt: skip


def delete_pushers(txn: Transaction, nids: Collection[int]) -> None:
    txn.execute("DELETE FROM push_mail_throttle WHERE pusher IN %(nids)s", nids=list(nids))
    txn.execute("DELETE FROM pusher WHERE nid IN %(nids)s", nids=list(nids))


def device_of_pusher(txn: Transaction, nid: int) -> int | None:
    row = txn.row("SELECT device_nid FROM pusher WHERE nid = %(nid)s", nid=nid)
    return None if row is None else row[0]


class Ended(NamedTuple):
    nid: int
    user_nid: int


def pushers_without_session(txn: Transaction, before_ms: int, user_nid: int | None = None) -> list[Ended]:
    """Whose session, account or confirmed address has ended; of one user or of all.

    Also those that should have been activated before `before_ms`.
    """
    rows = txn.rows(
        f"""
        SELECT p.nid, p.user_nid FROM pusher p
        WHERE {"p.user_nid = %(user_nid)s AND" if user_nid is not None else ""} (
            p.device_nid IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM account_device d WHERE d.nid = p.device_nid)
            OR p.activation_ends_at < %(before_ms)s
            OR EXISTS (
                SELECT 1 FROM account a WHERE a.user_nid = p.user_nid AND a.deactivated_at IS NOT NULL
            )
            OR p.kind = 'email' AND NOT EXISTS (
                SELECT 1 FROM account_address a
                WHERE a.medium = 'email' AND a.address = p.pushkey AND a.user_nid = p.user_nid
            )
        )
        """,
        before_ms=before_ms,
        **({} if user_nid is None else {"user_nid": user_nid}),
    )
    return [Ended(*row) for row in rows]


def reach(txn: Transaction) -> int:
    """The position up to which pushers were told."""
    row = txn.row("SELECT position FROM push_reach")
    assert row is not None, "the migration writes this row"
    return int(row[0])


def store_progress(txn: Transaction, position: int, debts: Sequence[Debt], settled: Collection[int]) -> None:
    """Pushers were told up to the position, but for those with `debts`; those `settled` are owed nothing more."""
    txn.execute(
        "UPDATE push_reach SET position = %(position)s WHERE position < %(position)s", position=position
    )
    txn.execute_many(
        """
        UPDATE pusher SET owed_after = %(after)s, failing_since = %(failing_since)s, retry_at = %(retry_at)s
        WHERE nid = %(nid)s
        """,
        [debt._asdict() for debt in debts],
    )
    if settled:
        txn.execute(
            """
            UPDATE pusher SET owed_after = NULL, failing_since = NULL, retry_at = NULL
            WHERE nid IN %(settled)s AND owed_after IS NOT NULL
            """,
            settled=list(settled),
        )
