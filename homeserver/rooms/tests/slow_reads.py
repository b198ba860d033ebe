"""A database whose answers are long on their way, so that something can happen meanwhile."""

from typing import Any

from twisted.internet.defer import Deferred

from homeserver.storage.database import Database


class SlowReads:
    """While `held`, reads see the database as it is now, but their answers come with `deliver`."""

    def __init__(self, db: Database) -> None:
        self.held = False
        self.write = db.write
        self._read = db.read
        self._answers: list[tuple[Deferred[Any], Any]] = []

    def read(self, *args: Any) -> Deferred[Any]:
        answer = self._read(*args)
        if not self.held:
            return answer
        late: Deferred[Any] = Deferred()
        self._answers.append((late, answer))
        return late

    def deliver(self) -> None:
        answers, self._answers, self.held = self._answers, [], False
        for late, answer in answers:
            answer.chainDeferred(late)
