"""Auth differences and conflicted subgraphs as Synapse's own store computes them, from its own chain cover index.

Runs in Synapse's environment. Synapse is taken as it is locked in requirements/synapse.txt, private names included.
"""

# Synapse is in an environment of its own, where these are checked by being run.
# mypy: disable-error-code="import-not-found"

import sqlite3
from collections.abc import Iterable, Set
from importlib.resources import files
from typing import Any

from synapse.storage.database import DatabasePool, LoggingTransaction
from synapse.storage.databases.main.event_federation import EventFederationWorkerStore
from synapse.storage.databases.main.events import PersistEventsStore
from synapse.storage.engines.sqlite import Sqlite3Engine
from synapse.storage.util.sequence import LocalSequenceGenerator

_SCHEMA = "schema/main/full_schemas/72/full.sql.sqlite"
# Made by a later change of the schema; without it the search for links reads the whole table.
_ORIGIN_INDEX = "CREATE INDEX event_auth_chain_links_origin_index ON event_auth_chain_links (origin_chain_id)"
_TABLES = ("event_auth_chains", "event_auth_chain_links", "event_auth_chain_to_calculate")


class ChainCover:
    """The index of one room at a time, in a database in memory."""

    def __init__(self) -> None:
        engine = Sqlite3Engine({"args": {"database": ":memory:"}})
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript(files("synapse.storage").joinpath(_SCHEMA).read_text())
        connection.execute(_ORIGIN_INDEX)
        self._transaction = LoggingTransaction(
            txn=connection.cursor(), name="differential", server_name="differential", database_engine=engine
        )
        # Their constructors want a whole server; what is called here needs no more than the engine.
        self._pool = object.__new__(DatabasePool)
        self._pool.engine = engine
        self._store = object.__new__(EventFederationWorkerStore)
        self._store.database_engine = engine
        self._chain_ids = LocalSequenceGenerator(lambda txn: 0)

    def index(self, events: Iterable[Any]) -> None:
        """Forgets the room before. `events` are state events with all their auth chains."""
        for table in _TABLES:
            self._transaction.execute(f"DELETE FROM {table}")
        events = list(events)
        PersistEventsStore._add_chain_cover_index(
            self._transaction,
            self._pool,
            self._chain_ids,
            event_to_room_id={event.event_id: event.room_id for event in events},
            event_to_types={event.event_id: (event.type, event.state_key) for event in events},
            event_to_auth_chain={event.event_id: event.auth_event_ids() for event in events},
        )

    def difference(
        self,
        room_id: str,
        state_sets: list[Set[str]],
        conflicted: Set[str] | None,
        reachable: Set[str] | None,
    ) -> Any:
        """Synapse's StateDifference, with the subgraph where `conflicted` is given."""
        return self._store._get_auth_chain_difference_using_cover_index_txn(
            self._transaction, room_id, state_sets, conflicted, reachable
        )
