"""Several works at the same time."""

from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults

T = TypeVar("T")
U = TypeVar("U")


async def together(works: Iterable[Deferred[T]]) -> list[T]:
    """Their results, in the order of the works, once there are all.

    Raises what the first one to fail raises, at once; the others go on, and how they end is not told.
    """
    try:
        results: list[T] = await gatherResults(list(works), consumeErrors=True)
    except FirstError as first:
        # What went wrong says more than that something did.
        first.subFailure.raiseException()
    return results


async def both(one: Coroutine[Any, Any, T], other: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """As `together`, for two works of which the results are of different kinds."""
    works: list[Deferred[Any]] = [Deferred.fromCoroutine(one), Deferred.fromCoroutine(other)]
    first, second = await together(works)
    return first, second
