"""Asking several servers for the same thing, one after the other."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from homeserver.protocol.errors import (
    Forbidden,
    IncompatibleRoomVersion,
    InvalidParam,
    LimitExceeded,
    MatrixError,
    NotFound,
    RemoteFailed,
)
from homeserver.protocol.identifiers import ServerName

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_SERVERS = 10
# What is told where servers refuse for different reasons, the most telling first.
_TELLING: Sequence[type[MatrixError]] = (Forbidden, LimitExceeded, NotFound)


async def first_answer(servers: Sequence[ServerName], ask: Callable[[ServerName], Awaitable[T]]) -> T:
    """What the first server answers that does not refuse. Raises the most telling refusal.

    NotFound where nobody can be asked. What is wrong with the room's version, another server would not say otherwise.
    """
    refusals: list[MatrixError] = []
    for server in servers[:MOST_SERVERS]:
        try:
            return await ask(server)
        except IncompatibleRoomVersion:
            raise
        except MatrixError as error:
            log.info("%s refuses: %s", server, error)
            refusals.append(error)
    if not refusals:
        raise NotFound("The room is not known here; name servers that are in it, by `via`")
    raise _most_telling(refusals)


def _most_telling(refusals: Sequence[MatrixError]) -> MatrixError:
    for kind in _TELLING:
        for refusal in refusals:
            if isinstance(refusal, kind):
                return refusal
    # A server of the client's that cannot be spoken to at all says less than one that failed.
    failed = [one for one in refusals if not isinstance(one, InvalidParam | RemoteFailed)]
    return (failed or refusals)[0]
