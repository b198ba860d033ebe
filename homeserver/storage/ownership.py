"""Whose database it is."""

from homeserver.storage.engine import StorageError, Transaction


def owner_of(txn: Transaction) -> str | None:
    """The name of the server that the database belongs to; None while it is nobody's."""
    row = txn.row("SELECT server_name FROM folkmoot")
    return None if row is None else str(row[0])


def claim(txn: Transaction, server_name: str) -> None:
    """Makes the database this server's. Raises StorageError where it is another one's."""
    txn.execute(
        "INSERT INTO folkmoot (one, server_name) VALUES (1, %(server_name)s) ON CONFLICT DO NOTHING",
        server_name=server_name,
    )
    owner = owner_of(txn)
    if owner != server_name:
        raise StorageError(
            f"The database belongs to the server {owner}, not to {server_name}."
            " Correct server_name, or name another database."
        )
