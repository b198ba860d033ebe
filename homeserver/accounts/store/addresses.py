"""Tables account_address and account_address_binding: how users are known besides their IDs."""

from typing import NamedTuple

from homeserver.accounts.address import Address
from homeserver.storage.engine import Transaction


class StoredAddress(NamedTuple):
    """Times are milliseconds since the epoch."""

    medium: str
    address: str
    validated_at: int
    added_at: int


def addresses_of(txn: Transaction, user_nid: int) -> list[StoredAddress]:
    rows = txn.rows(
        """
        SELECT medium, address, validated_at, added_at FROM account_address
        WHERE user_nid = %(user_nid)s
        ORDER BY added_at, address
        """,
        user_nid=user_nid,
    )
    return [StoredAddress(*row) for row in rows]


def owner_of_address(txn: Transaction, address: Address) -> int | None:
    """The short id of the user who has it."""
    row = txn.row(
        "SELECT user_nid FROM account_address WHERE medium = %(medium)s AND address = %(address)s",
        medium=address.medium,
        address=address.address,
    )
    return None if row is None else int(row[0])


def insert_address(txn: Transaction, user_nid: int, address: Address, validated_at: int, now: int) -> bool:
    """False where another user has it. Adding it again changes nothing."""
    txn.execute(
        """
        INSERT INTO account_address (medium, address, user_nid, validated_at, added_at)
        VALUES (%(medium)s, %(address)s, %(user_nid)s, %(validated_at)s, %(now)s)
        ON CONFLICT DO NOTHING
        """,
        medium=address.medium,
        address=address.address,
        user_nid=user_nid,
        validated_at=validated_at,
        now=now,
    )
    return owner_of_address(txn, address) == user_nid


def delete_address(txn: Transaction, user_nid: int, address: Address) -> None:
    txn.execute(
        """
        DELETE FROM account_address
        WHERE user_nid = %(user_nid)s AND medium = %(medium)s AND address = %(address)s
        """,
        user_nid=user_nid,
        medium=address.medium,
        address=address.address,
    )


def delete_addresses_of(txn: Transaction, user_nid: int) -> None:
    txn.execute("DELETE FROM account_address WHERE user_nid = %(user_nid)s", user_nid=user_nid)


def insert_binding(txn: Transaction, user_nid: int, address: Address, id_server: str) -> None:
    txn.execute(
        """
        INSERT INTO account_address_binding (user_nid, medium, address, id_server)
        VALUES (%(user_nid)s, %(medium)s, %(address)s, %(id_server)s)
        ON CONFLICT DO NOTHING
        """,
        user_nid=user_nid,
        medium=address.medium,
        address=address.address,
        id_server=id_server,
    )


def bindings_of(txn: Transaction, user_nid: int) -> list[tuple[Address, str]]:
    """Which addresses of the user which identity servers publish."""
    rows = txn.rows(
        """
        SELECT medium, address, id_server FROM account_address_binding
        WHERE user_nid = %(user_nid)s
        ORDER BY id_server, address
        """,
        user_nid=user_nid,
    )
    return [(Address(medium, address), id_server) for medium, address, id_server in rows]


def delete_binding(txn: Transaction, user_nid: int, address: Address, id_server: str) -> None:
    txn.execute(
        """
        DELETE FROM account_address_binding
        WHERE user_nid = %(user_nid)s AND medium = %(medium)s AND address = %(address)s
            AND id_server = %(id_server)s
        """,
        user_nid=user_nid,
        medium=address.medium,
        address=address.address,
        id_server=id_server,
    )
