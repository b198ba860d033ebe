"""Group commit: writes that wait at the same time share one transaction, and so one flush to the disk."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from homeserver.runtime.metrics import GROUP_SIZE, TRANSACTION_SECONDS
from homeserver.runtime.threads import Threads
from homeserver.storage.engine import Connection, DatabaseUnavailable, Transaction
from homeserver.storage.retries import persistently

_ATTEMPTS = 8
_LARGEST_GROUP = 256

Call = Callable[[Transaction], Any]


@dataclass(slots=True)
class _Job:
    call: Call
    done: Deferred[Any]


class WriteLane:
    """A queue of writes on one connection.

    Each write is a function of the transaction. One that raises is undone alone: the others of its group run
    again without it. A write may therefore run more than once and must have no effect but on the database.
    """

    def __init__(self, connection: Connection, threads: Threads, *, ordered: bool) -> None:
        self._connection = connection
        self._threads = threads
        self._ordered = ordered
        self._queue: list[_Job] = []
        self._busy = False
        self._idle: list[Deferred[None]] = []

    def submit(self, call: Call) -> Deferred[Any]:
        """Queues a write; the Deferred fires with its result after the commit."""
        done: Deferred[Any] = Deferred()
        self._queue.append(_Job(call, done))
        if not self._busy:
            self._start()
        return done

    def when_idle(self) -> Deferred[None]:
        """Fires when nothing is queued and nothing is being written."""
        idle: Deferred[None] = Deferred()
        if self._busy:
            self._idle.append(idle)
        else:
            idle.callback(None)
        return idle

    def _start(self) -> None:
        self._busy = True
        group, self._queue = self._queue[:_LARGEST_GROUP], self._queue[_LARGEST_GROUP:]
        GROUP_SIZE.observe(len(group))
        outcome = self._threads.run(self._commit, [job.call for job in group])
        outcome.addBoth(self._finish, group)

    def _finish(self, outcomes: list[Any] | Failure, group: list[_Job]) -> None:
        self._busy = False
        # The next group starts before the answers of this one are dealt with, so the disk never waits for us.
        if self._queue:
            self._start()
        for index, job in enumerate(group):
            outcome = outcomes if isinstance(outcomes, Failure) else outcomes[index]
            if isinstance(outcome, Failure):
                job.done.errback(outcome)
            else:
                job.done.callback(outcome)
        if not self._busy:
            waiting, self._idle = self._idle, []
            for idle in waiting:
                idle.callback(None)

    def _commit(self, calls: list[Call]) -> list[Any]:
        """Runs in the writer's thread; one outcome, a result or a Failure, for each call."""
        try:
            return self._together(calls)
        except DatabaseUnavailable:
            # It is not the fault of any of them.
            return [Failure()] * len(calls)
        except Exception:
            if len(calls) == 1:
                return [Failure()]
        return [self._alone(call) for call in calls]

    def _alone(self, call: Call) -> Any:
        try:
            return self._together([call])[0]
        except Exception:
            return Failure()

    def _together(self, calls: list[Call]) -> list[Any]:
        return persistently(lambda: self._attempt(calls), attempts=_ATTEMPTS)

    def _attempt(self, calls: list[Call]) -> list[Any]:
        with (
            TRANSACTION_SECONDS.labels("write").time(),
            self._connection.writing(ordered=self._ordered) as txn,
        ):
            return [call(txn) for call in calls]
