"""Running a transaction again where that helps."""

from collections.abc import Callable
from typing import TypeVar

from homeserver.runtime.metrics import TRANSACTION_RETRIES
from homeserver.storage.engine import Conflict, DatabaseUnavailable

T = TypeVar("T")


def persistently(transaction: Callable[[], T], *, attempts: int) -> T:
    """Runs `transaction` until no Conflict is in its way. Raises DatabaseUnavailable if one always is."""
    for attempt in range(attempts):
        try:
            return transaction()
        except Conflict as conflict:
            TRANSACTION_RETRIES.inc()
            if attempt == attempts - 1:
                raise DatabaseUnavailable(f"{attempts} attempts failed: {conflict}") from conflict
    raise AssertionError("the loop returns or raises")
