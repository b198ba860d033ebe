"""The database as coroutines see it: reads in a snapshot, writes in group commits."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred, gatherResults

from homeserver.runtime.metrics import TRANSACTION_SECONDS
from homeserver.runtime.threads import Threads
from homeserver.storage.engine import Connection, Engine, Transaction
from homeserver.storage.lane import WriteLane
from homeserver.storage.retries import persistently

# A second one, because nobody knows that an idle connection was lost until it is used.
_READ_ATTEMPTS = 2

P = ParamSpec("P")
T = TypeVar("T")


class MakeThreads(Protocol):
    """Makes `size` threads of a name; tests make none."""

    def __call__(self, name: str, size: int) -> Threads: ...


class Database:
    """Runs store functions, which take a `Transaction` first, in threads of their own.

    `read` sees one state of the database throughout. `write` commits before its Deferred fires. `write_ordered`
    is for the journal of positions only: such writes happen one after the other in the whole cluster.
    """

    def __init__(self, engine: Engine, make_threads: MakeThreads) -> None:
        self._engine = engine
        self.engine_name = engine.name
        self._writer_threads = make_threads("database-writer", 1)
        writer = engine.connect()
        self._connections: list[Connection] = [writer]
        self._ordered = self._plain = WriteLane(writer, self._writer_threads, ordered=True)
        if engine.readers == 0:
            self._reader_threads = self._writer_threads
            self._free_readers = [writer]
            return
        self._reader_threads = make_threads("database-reader", engine.readers)
        self._free_readers = []
        if engine.name == "postgresql":
            plain = engine.connect()
            self._connections.append(plain)
            self._plain_threads = make_threads("database-plain-writer", 1)
            self._plain = WriteLane(plain, self._plain_threads, ordered=False)

    def read(
        self, query: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Runs `query(txn, …)` in a read-only snapshot."""
        return self._reader_threads.run(self._read, query, args, kwargs)

    def write(
        self, change: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Runs `change(txn, …)`, which may run more than once, and commits it."""
        return self._plain.submit(lambda txn: change(txn, *args, **kwargs))

    def write_ordered(
        self, change: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """As `write`, for `streams.journal` alone."""
        return self._ordered.submit(lambda txn: change(txn, *args, **kwargs))

    async def close(self) -> None:
        """Finishes the writes under way and closes every connection."""
        await gatherResults([self._ordered.when_idle(), self._plain.when_idle()])
        self._writer_threads.stop()
        if self._reader_threads is not self._writer_threads:
            self._reader_threads.stop()
        if self._plain is not self._ordered:
            self._plain_threads.stop()
        for connection in self._connections:
            connection.close()

    def _read(self, query: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
        connection = self._borrow()

        def attempt() -> T:
            with TRANSACTION_SECONDS.labels("read").time(), connection.reading() as txn:
                return query(txn, *args, **kwargs)

        try:
            return persistently(attempt, attempts=_READ_ATTEMPTS)
        finally:
            self._free_readers.append(connection)

    def _borrow(self) -> Connection:
        # As many readers as threads, so one is free whenever a thread asks; list.pop is atomic.
        try:
            return self._free_readers.pop()
        except IndexError:
            connection = self._engine.connect()
            self._connections.append(connection)
            return connection
