"""Table account_interactive_auth."""

from typing import NamedTuple

from homeserver.protocol.json import JsonObject, JsonValue, decode_json, encode_json
from homeserver.storage.engine import Transaction


class StoredSession(NamedTuple):
    """`completed` holds the results of the completed stages by their types, in the order of completion."""

    request_mac: bytes
    completed: JsonObject


def session_by_hash(txn: Transaction, session_hash: bytes, now: int) -> StoredSession | None:
    """None too where the session has expired."""
    row = txn.row(
        """
        SELECT request_mac, completed FROM account_interactive_auth
        WHERE session_hash = %(session_hash)s AND expires_at > %(now)s
        """,
        session_hash=session_hash,
        now=now,
    )
    return None if row is None else StoredSession(row[0], decode_json(row[1]))


def insert_interactive_session(
    txn: Transaction, session_hash: bytes, session: StoredSession, expires_at: int
) -> None:
    txn.execute(
        """
        INSERT INTO account_interactive_auth (session_hash, request_mac, completed, expires_at)
        VALUES (%(session_hash)s, %(request_mac)s, %(completed)s, %(expires_at)s)
        """,
        session_hash=session_hash,
        request_mac=session.request_mac,
        completed=encode_json(session.completed),
        expires_at=expires_at,
    )


def complete_stage(txn: Transaction, session_hash: bytes, stage: str, result: JsonValue) -> JsonObject:
    """Adds the stage to those completed, and returns all of them: two may be completed at the same time."""
    row = txn.row(
        "SELECT completed FROM account_interactive_auth WHERE session_hash = %(session_hash)s",
        session_hash=session_hash,
    )
    completed: JsonObject = {} if row is None else decode_json(row[0])
    completed[stage] = result
    txn.execute(
        "UPDATE account_interactive_auth SET completed = %(completed)s WHERE session_hash = %(session_hash)s",
        session_hash=session_hash,
        completed=encode_json(completed),
    )
    return completed


def delete_interactive_session(txn: Transaction, session_hash: bytes) -> bool:
    """False where there is none (any more)."""
    deleted = txn.execute(
        "DELETE FROM account_interactive_auth WHERE session_hash = %(session_hash)s",
        session_hash=session_hash,
    )
    return deleted > 0


def delete_expired_sessions(txn: Transaction, now: int) -> int:
    """Returns how many they were."""
    return txn.execute("DELETE FROM account_interactive_auth WHERE expires_at <= %(now)s", now=now)
