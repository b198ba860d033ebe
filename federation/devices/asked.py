"""Asking other servers for keys, many of them at once, for a limited time.

https://spec.matrix.org/v1.19/server-server-api/#end-to-end-encryption
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.defer import TimeoutError as TimedOut

from homeserver.protocol.errors import MatrixError
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject
from homeserver.runtime.clock import Clock

W = TypeVar("W")
A = TypeVar("A")


async def ask_all(
    wishes: Mapping[ServerName, W],
    ask: Callable[[ServerName, W], Awaitable[A]],
    timeout: float,
    clock: Clock,
) -> tuple[list[A], JsonObject]:
    """What the servers answered, in no order; by name, what went wrong with the others. `timeout` is in seconds."""
    answers: list[A] = []
    failures: JsonObject = {}

    async def note(server: ServerName, wish: W) -> None:
        asking: Deferred[A] = Deferred.fromCoroutine(_answer(ask, server, wish))
        asking.addTimeout(timeout, clock.reactor)  # type: ignore[arg-type]  # a reactor's time is all it uses
        try:
            answers.append(await asking)
        except MatrixError as error:
            failures[server] = error.body()
        except TimedOut:
            failures[server] = {"errcode": "M_UNKNOWN", "error": "The server did not answer in time"}

    await gatherResults([Deferred.fromCoroutine(note(server, wish)) for server, wish in wishes.items()])
    return answers, failures


async def _answer(ask: Callable[[ServerName, W], Awaitable[A]], server: ServerName, wish: W) -> A:
    return await ask(server, wish)
