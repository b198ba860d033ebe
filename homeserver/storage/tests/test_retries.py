import pytest

from homeserver.storage.engine import Conflict, DatabaseUnavailable
from homeserver.storage.retries import persistently


class Work:
    """Meets so many conflicts before it succeeds."""

    def __init__(self, conflicts: int) -> None:
        self.conflicts = conflicts
        self.runs = 0

    def __call__(self) -> str:
        self.runs += 1
        if self.runs <= self.conflicts:
            raise Conflict("in the way")
        return "done"


def test_conflicts_are_outlived() -> None:
    work = Work(conflicts=3)
    assert persistently(work, attempts=4) == "done"
    assert work.runs == 4


def test_one_conflict_too_many() -> None:
    work = Work(conflicts=4)
    with pytest.raises(DatabaseUnavailable, match="4 attempts failed: in the way"):
        persistently(work, attempts=4)
    assert work.runs == 4


def test_other_failures_are_not_repeated() -> None:
    runs = []

    def fail() -> None:
        runs.append(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        persistently(fail, attempts=4)
    assert len(runs) == 1
