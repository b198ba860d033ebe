"""Measures how rooms are stored: entering a large one, state changes, old state, resolving a fork.

scripts/bench graphs

Times are CPU time of this process, statements on SQLite included; what PostgreSQL's own processes use is not.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from homeserver.protocol.event import Event
from homeserver.protocol.json import canonical_json
from homeserver.protocol.room_versions import DEFAULT_ROOM_VERSION, ROOM_VERSIONS, RoomVersion
from homeserver.rooms.graph.auth_graph import RoomKey
from homeserver.rooms.graph.resolution import Resolver
from homeserver.rooms.store.graph import graph_events
from homeserver.rooms.store.overrides import StateRef
from homeserver.rooms.store.spans import slot_nids
from homeserver.rooms.tests.process import Process
from homeserver.runtime.threads import InlineThreads
from homeserver.storage.engine import Engine, Transaction
from homeserver.storage.migrate import migrate
from homeserver.storage.postgres import Postgres
from homeserver.storage.sqlite import Sqlite
from scripts.benchmark.postgres import PostgresServer
from scripts.benchmark.rules import LargeRoom, user
from synapse_compat_tests.differential.drafts import member

T = TypeVar("T")

_CHANGES = 5_000
_LOOKUPS = 5_000
_RUNS = 5
_NAME_WIDTH = 50


class StoredRoom:
    """A large room of other servers in a database of its own, entered with the last of its joins."""

    def __init__(self, engine: Engine, version: RoomVersion, members: int) -> None:
        self.room = LargeRoom(version, members)
        self._process = Process(engine, lambda name, size: InlineThreads())
        self._receiver = self._process.receiver
        result_of(self._process.start())
        *self._state, self._join = self.room.events.values()

    def enter(self) -> None:
        result_of(self._process.ingest.enter(self._join, self._state, []))
        head = result_of(self._process.heads.get(self._join.room_id))
        self.key = RoomKey(head.nid, head.room_id, head.version)

    def receive(self, events: Sequence[Event]) -> None:
        for event in events:
            result_of(self._receiver.receive(event))

    @property
    def line(self) -> int:
        """The newest number of the room's state line."""
        return result_of(self._process.heads.get(self.key.room_id)).state_line

    def read(self, query: Callable[[Transaction], T]) -> T:
        return result_of(self._process.db.read(query))

    def close(self) -> None:
        result_of(self._process.db.close())


def result_of(work: Coroutine[Any, Any, T] | Deferred[T]) -> T:
    """The result of work that ends at once, as there are no threads and no network."""
    deferred = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
    outcome = getattr(deferred, "result", None)
    if isinstance(outcome, Failure):
        outcome.raiseException()
    if not deferred.called:
        raise AssertionError("the work did not end at once")
    return outcome  # type: ignore[return-value]  # it was called, so it has its result


def measure(
    engine: Engine, size: Callable[[], int], version: RoomVersion, members: int
) -> Iterator[tuple[str, str]]:
    stored = StoredRoom(engine, version, members)
    yield f"enter a room of {members:,} members", f"{_seconds(stored.enter) * 1e3:,.0f} ms"
    yield from _changes(stored, size)
    yield "state at an old event, one key", f"{_old_state(stored) * 1e6:,.0f} µs"
    yield "resolve a fork of 200 events", f"{_fork(stored) * 1e3:,.1f} ms"
    stored.close()


def _changes(stored: StoredRoom, size: Callable[[], int]) -> Iterator[tuple[str, str]]:
    events = [
        stored.room.add(member(user(300 + number % 500), "join", displayname=f"name {number}"))
        for number in range(_CHANGES)
    ]
    before = size()
    seconds = _seconds(lambda: stored.receive(events)) / len(events)
    grown = (size() - before) / len(events)
    text = sum(len(canonical_json(event.pdu())) for event in events) / len(events)
    yield f"append {len(events):,} state changes, each", f"{seconds * 1e3:,.2f} ms"
    yield "the same on the disk, each", f"{grown:,.0f} bytes, for {text:,.0f} bytes of JSON"


def _old_state(stored: StoredRoom) -> float:
    rng, slot_name = Random(1), ("m.room.member", user(300))
    slot = stored.read(lambda txn: slot_nids(txn, [slot_name]))[slot_name]
    lines = [rng.randrange(1, stored.line) for _ in range(_LOOKUPS)]

    def look_up(txn: Transaction) -> None:
        resolver = Resolver(txn, stored.key)
        for line in lines:
            resolver.values(resolver.read(StateRef(line)), {slot})

    return _seconds(lambda: stored.read(look_up)) / len(lines)


def _fork(stored: StoredRoom) -> float:
    """Two branches of a hundred events each, which came one after the other."""
    room, tips = stored.room, []
    for first in (100, 140):
        before = len(room.events)
        room.branch().change(first)
        new = list(room.events.values())[before:]
        stored.receive(new)
        tips.append(new[-1].event_id)

    def resolve(txn: Transaction) -> None:
        resolver = Resolver(txn, stored.key)
        states = [one.states for one in graph_events(txn, tips).values()]
        resolver.resolve([resolver.read(one.after) for one in states if one is not None])

    return min(_seconds(lambda: stored.read(resolve)) for _ in range(_RUNS))


def _seconds(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


@contextmanager
def _database(name: str) -> Iterator[tuple[Engine, Callable[[], int]]]:
    """A new database and how to find out its size in bytes."""
    if name == "postgresql":
        with PostgresServer() as server:
            postgres = Postgres(server.create_database(), readers=0)
            yield postgres, lambda: _postgres_size(postgres)
        return
    with tempfile.TemporaryDirectory(prefix="folkmoot-bench-") as directory:
        engine = Sqlite(str(Path(directory) / "folkmoot.db"))
        yield engine, lambda: _sqlite_size(engine)


def _sqlite_size(engine: Engine) -> int:
    return _number(engine, "PRAGMA page_count") * _number(engine, "PRAGMA page_size")


def _postgres_size(engine: Engine) -> int:
    return _number(engine, "SELECT pg_database_size(current_database())")


def _number(engine: Engine, question: str) -> int:
    with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(question)
        return int(cursor.fetchone()[0])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench graphs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", choices=list(ROOM_VERSIONS), default=DEFAULT_ROOM_VERSION, help="of the rooms"
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--members", type=int, nargs="+", default=[1_000, 10_000, 50_000], metavar="N")
    options = parser.parse_args(arguments)
    for members in options.members:
        with _database(options.database) as (engine, size):
            migrate(engine, progress=lambda _: None)
            for name, figure in measure(engine, size, ROOM_VERSIONS[options.version], members):
                print(f"{name:<{_NAME_WIDTH}} {figure}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
