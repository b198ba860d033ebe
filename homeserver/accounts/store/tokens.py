"""Table account_token, and with it the generations of a device's tokens.

A device has tokens of at most two generations: those in use, and those that the last refresh handed out. The
first use of the newer ones ends the older ones; until then a refresh can be repeated, because its answer may
have been lost. https://spec.matrix.org/v1.19/client-server-api/#refreshing-access-tokens
"""

from collections.abc import Sequence
from typing import NamedTuple

from homeserver.accounts.store.devices import delete_device_rows
from homeserver.protocol.identifiers import DeviceID, UserID
from homeserver.storage.engine import Transaction


class NewToken(NamedTuple):
    """`expires_at` is in milliseconds since the epoch, None for never."""

    hash: bytes
    is_refresh: bool
    expires_at: int | None


class AccessTokenRow(NamedTuple):
    """An access token with all that a requester consists of."""

    user_id: UserID
    user_nid: int
    device_id: DeviceID
    device_nid: int
    is_admin: bool
    is_guest: bool
    locked_at: int | None
    suspended_at: int | None
    user_type: str | None
    accepted_terms: str | None
    messages_per_second: int | None
    messages_burst: int | None
    expires_at: int | None
    generation: int
    device_generation: int


class RefreshTokenRow(NamedTuple):
    device_nid: int
    generation: int
    expires_at: int | None
    session_ends_at: int | None
    locked_at: int | None


def access_token_row(txn: Transaction, token_hash: bytes) -> AccessTokenRow | None:
    row = txn.row(
        """
        SELECT u.user_id, a.user_nid, d.device_id, d.nid, a.is_admin, a.is_guest, a.locked_at, a.suspended_at,
               a.user_type, a.accepted_terms, a.messages_per_second, a.messages_burst,
               t.expires_at, t.generation, d.token_generation
        FROM account_token t
        JOIN account_device d ON d.nid = t.device_nid
        JOIN account a ON a.user_nid = d.user_nid
        JOIN known_user u ON u.nid = a.user_nid
        WHERE t.hash = %(hash)s AND t.is_refresh = 0
        """,
        hash=token_hash,
    )
    return None if row is None else AccessTokenRow(*row)


def refresh_token_row(txn: Transaction, token_hash: bytes) -> RefreshTokenRow | None:
    row = txn.row(
        """
        SELECT t.device_nid, t.generation, t.expires_at, d.session_ends_at, a.locked_at
        FROM account_token t
        JOIN account_device d ON d.nid = t.device_nid
        JOIN account a ON a.user_nid = d.user_nid
        WHERE t.hash = %(hash)s AND t.is_refresh = 1
        """,
        hash=token_hash,
    )
    return None if row is None else RefreshTokenRow(*row)


def update_refresh_hash(txn: Transaction, device_nid: int, refresh_hash: bytes | None) -> None:
    """Notes by what all refresh tokens of the device's session are known, also those that were used up."""
    txn.execute(
        "UPDATE account_device SET refresh_hash = %(refresh_hash)s WHERE nid = %(device_nid)s",
        refresh_hash=refresh_hash,
        device_nid=device_nid,
    )


def end_reused(txn: Transaction, refresh_hash: bytes, generation: int, now: int) -> list[bytes] | None:
    """Ends the session of a refresh token that was used up before, and returns the hashes of its tokens.

    They have expired then, so that clients log in again and keep their keys. None where there is no such session, or
    the token is of its newest generation, so that nothing which came of it was used.
    """
    device = txn.row(
        """
        SELECT nid FROM account_device
        WHERE refresh_hash = %(refresh_hash)s AND token_generation > %(generation)s
        """,
        refresh_hash=refresh_hash,
        generation=generation,
    )
    if device is None:
        return None
    return _hashes(
        txn,
        """
        UPDATE account_token SET expires_at = %(now)s
        WHERE device_nid = %(device_nid)s AND (expires_at IS NULL OR expires_at > %(now)s)
        RETURNING hash
        """,
        now=now,
        device_nid=device[0],
    )


def insert_tokens(txn: Transaction, device_nid: int, generation: int, tokens: Sequence[NewToken]) -> None:
    txn.execute_many(
        """
        INSERT INTO account_token (hash, device_nid, is_refresh, generation, expires_at)
        VALUES (%(hash)s, %(device_nid)s, %(is_refresh)s, %(generation)s, %(expires_at)s)
        """,
        [
            {
                "hash": token.hash,
                "device_nid": device_nid,
                "is_refresh": int(token.is_refresh),
                "generation": generation,
                "expires_at": token.expires_at,
            }
            for token in tokens
        ],
    )


def first_use(txn: Transaction, token_hash: bytes) -> tuple[AccessTokenRow | None, list[bytes]]:
    """The access token as it is now, and the hashes of older tokens that using it ended."""
    row = access_token_row(txn, token_hash)
    if row is None or row.generation <= row.device_generation:
        return row, []
    return row, _keep(txn, row.device_nid, row.generation, "generation >= %(generation)s")


def keep_only_generation(txn: Transaction, device_nid: int, generation: int) -> list[bytes]:
    """Ends all tokens of the device but those of this generation, and returns their hashes."""
    return _keep(txn, device_nid, generation, "generation = %(generation)s")


def _keep(txn: Transaction, device_nid: int, generation: int, kept: str) -> list[bytes]:
    # The device's row is written, changed or not, so that two refreshes at once get in each other's way.
    txn.execute(
        "UPDATE account_device SET token_generation = %(generation)s WHERE nid = %(device_nid)s",
        device_nid=device_nid,
        generation=generation,
    )
    return _hashes(
        txn,
        f"DELETE FROM account_token WHERE device_nid = %(device_nid)s AND NOT ({kept}) RETURNING hash",
        device_nid=device_nid,
        generation=generation,
    )


def delete_tokens(txn: Transaction, device_nid: int) -> list[bytes]:
    return _hashes(
        txn,
        "DELETE FROM account_token WHERE device_nid = %(device_nid)s RETURNING hash",
        device_nid=device_nid,
    )


def delete_devices(txn: Transaction, nids: Sequence[int]) -> list[bytes]:
    """Deletes the devices with their tokens, and returns the hashes of these."""
    hashes = _hashes(
        txn, "DELETE FROM account_token WHERE device_nid IN %(nids)s RETURNING hash", nids=list(nids)
    )
    delete_device_rows(txn, nids)
    return hashes


def token_hashes_of(txn: Transaction, user_nid: int) -> list[bytes]:
    return _hashes(
        txn,
        """
        SELECT t.hash FROM account_token t JOIN account_device d ON d.nid = t.device_nid
        WHERE d.user_nid = %(user_nid)s
        """,
        user_nid=user_nid,
    )


def delete_expired_tokens(txn: Transaction, before: int) -> int:
    """Deletes tokens that expired before the given time, and returns how many they were."""
    return txn.execute("DELETE FROM account_token WHERE expires_at < %(before)s", before=before)


def _hashes(txn: Transaction, statement: str, **params: object) -> list[bytes]:
    return [token_hash for (token_hash,) in txn.rows(statement, **params)]
