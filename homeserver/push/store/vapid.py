"""Table push_vapid_key: the key by which push services know this server."""

from homeserver.storage.engine import Transaction


def ensure_vapid_key(txn: Transaction, fresh: bytes) -> bytes:
    """The key; `fresh` becomes it where there is none."""
    txn.execute(
        "INSERT INTO push_vapid_key (one, private_key) VALUES (1, %(key)s) ON CONFLICT DO NOTHING", key=fresh
    )
    row = txn.row("SELECT private_key FROM push_vapid_key")
    assert row is not None, "it was written just now"
    return bytes(row[0])
