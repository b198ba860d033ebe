"""Table federation_key."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from federation.key_answers import KeyAnswer, ServerKey
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import encode_json
from homeserver.storage.engine import Transaction


class StoredAnswer(NamedTuple):
    """What a notary may repeat: the JSON of an answer, and until when it is valid, in ms."""

    server_name: ServerName
    key_id: str
    valid_until: int
    answer: bytes


def keys_of(txn: Transaction, servers: Collection[ServerName]) -> list[tuple[ServerName, ServerKey]]:
    """All keys that are known of the servers."""
    rows = txn.rows(
        """
        SELECT server_name, key_id, public_key, valid_until, expired_at
        FROM federation_key WHERE server_name IN %(servers)s
        """,
        servers=list(servers),
    )
    return [
        (ServerName(name), ServerKey(key_id, bytes(public_key), valid_until, expired_at))
        for name, key_id, public_key, valid_until, expired_at in rows
    ]


def answers_of(txn: Transaction, servers: Collection[ServerName]) -> list[StoredAnswer]:
    """For each key of the servers, the newest answer that has it."""
    rows = txn.rows(
        """
        SELECT server_name, key_id, valid_until, answer
        FROM federation_key WHERE server_name IN %(servers)s ORDER BY fetched_at DESC
        """,
        servers=list(servers),
    )
    return [
        StoredAnswer(ServerName(name), key_id, valid_until, bytes(answer))
        for name, key_id, valid_until, answer in rows
    ]


def put_answers(txn: Transaction, answers: Sequence[KeyAnswer], now_ms: int) -> None:
    """Keeps the keys, except where a newer answer is kept: an old one may be told by a notary."""
    txn.execute_many(
        """
        INSERT INTO federation_key
            (server_name, key_id, public_key, valid_until, expired_at, fetched_at, answer)
        VALUES (%(server_name)s, %(key_id)s, %(public_key)s, %(valid_until)s, %(expired_at)s, %(now_ms)s,
                %(answer)s)
        ON CONFLICT (server_name, key_id) DO UPDATE
        SET public_key = excluded.public_key, valid_until = excluded.valid_until,
            expired_at = excluded.expired_at, fetched_at = excluded.fetched_at, answer = excluded.answer
        WHERE excluded.expired_at IS NOT NULL OR excluded.valid_until >= federation_key.valid_until
        """,
        [row for answer in answers for row in _rows(answer, now_ms)],
    )


def delete_fetched_before(txn: Transaction, ts: int) -> None:
    """`ts` is in milliseconds."""
    txn.execute("DELETE FROM federation_key WHERE fetched_at < %(ts)s", ts=ts)


def _rows(answer: KeyAnswer, now_ms: int) -> Iterable[dict[str, object]]:
    signed = encode_json(answer.signed)
    for key in answer.keys:
        yield {
            "server_name": answer.server_name,
            "key_id": key.key_id,
            "public_key": key.public_key,
            "valid_until": key.valid_until,
            "expired_at": key.expired_at,
            "now_ms": now_ms,
            "answer": signed,
        }
