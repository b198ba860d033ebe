"""A database has one server for good."""

import pytest

from homeserver.storage.engine import StorageError
from homeserver.storage.migrate import migrate
from homeserver.storage.ownership import claim, owner_of
from homeserver.storage.sqlite import MEMORY, Sqlite


def test_first_to_claim_owns_it() -> None:
    engine = Sqlite(MEMORY)
    migrate(engine)
    connection = engine.connect()
    with connection.writing(ordered=False) as txn:
        assert owner_of(txn) is None
        claim(txn, "example.org")
        claim(txn, "example.org")
    with (
        pytest.raises(StorageError, match=r"belongs to the server example\.org, not to example\.com"),
        connection.writing(ordered=False) as txn,
    ):
        claim(txn, "example.com")
    with connection.reading() as txn:
        assert owner_of(txn) == "example.org"
    connection.close()
