"""SQLite looks only at the rows that an answer needs."""

from collections.abc import Iterator
from typing import Any

import pytest

from homeserver.e2ee.store.device_lists import departed_users, joined_users
from homeserver.e2ee.store.one_time_keys import claim_one_time_keys
from homeserver.storage.engine import Row
from homeserver.storage.migrate import migrate
from homeserver.storage.sqlite import MEMORY, Sqlite, SqliteTransaction


class Explaining(SqliteTransaction):
    """Notes how each question would be answered, and answers none."""

    def __init__(self, txn: SqliteTransaction) -> None:
        self._txn = txn
        self.plans: list[str] = []

    def rows(self, statement: str, **params: Any) -> list[Row]:
        self.plans.append(str(self._txn.rows(f"EXPLAIN QUERY PLAN {statement}", **params)))
        return []

    def execute(self, statement: str, **params: Any) -> int:
        """There is nothing to write."""
        return 0


@pytest.fixture
def txn() -> Iterator[Explaining]:
    engine = Sqlite(MEMORY)
    migrate(engine, progress=lambda _: None)
    connection = engine.connect()
    with connection.reading() as txn:
        yield Explaining(txn)
    connection.close()


def test_members_who_did_not_come_or_go_are_not_looked_at(txn: Explaining) -> None:
    joined_users(txn, [1], 2)
    departed_users(txn, [1], 2)
    assert len(txn.plans) == 3
    for plan in txn.plans:
        assert "room_member_in_order (room=? AND membership=? AND since>?)" in plan


def test_a_claim_looks_at_keys_of_the_device_alone(txn: Explaining) -> None:
    claim_one_time_keys(txn, [1, 2], "signed_curve25519")
    (plan,) = txn.plans
    assert "SEARCH s USING PRIMARY KEY (device_nid=? AND algorithm=?)" in plan
    assert (
        "SEARCH b USING INDEX sqlite_autoindex_e2ee_one_time_batch_1 (device_nid=? AND algorithm=? AND last_place=?)"
        in plan
    )
    assert "SEARCH e2ee_one_time_batch USING COVERING INDEX" in plan
    assert "(device_nid=? AND algorithm=? AND last_place>?)" in plan
