"""Waiting for what comes from another server in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PATIENCE_SECONDS = 20.0
_PAUSE_SECONDS = 0.05


def eventually(look: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    """What is seen once it is as wanted. Raises AssertionError with what is seen in the end."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not wanted(seen := look()):
        assert time.monotonic() < deadline, f"it stays {seen!r}"
        time.sleep(_PAUSE_SECONDS)
    return seen
