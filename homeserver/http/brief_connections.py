"""Requests whose answers are short, such as notifications: without most of what others cost.

One request at a time goes over a connection, as one piece of bytes.
"""

import re
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from homeserver.http.brief_answers import BriefAnswer, BriefAnswerReader, UnusableAnswer
from homeserver.runtime.clock import DelayedCall

# Many servers close theirs after a minute, and what is sent at that moment is lost.
_IDLE_SECONDS = 25.0
_TARGET = re.compile(r"/[!-~]*")
_LINE = re.compile(r"[\t -~]+")


class BriefConnections:
    """The connections to one peer, some of which are kept for the next requests."""

    def __init__(self, reactor: Any, endpoint: Any, most_idle: int) -> None:
        """`endpoint` makes connections to the peer, with TLS where it should be."""
        self._reactor = reactor
        self._endpoint = endpoint
        self._most_idle = most_idle
        self._idle: list[BriefConnection] = []
        self._sweep: DelayedCall | None = None

    async def ask(self, request: bytes, most: int) -> BriefAnswer:
        """Sends a request, of which the answer may have a body of `most` bytes.

        Raises what the endpoint does, the connection's end where no answer began, UnusableAnswer, LongAnswer.
        """
        connection = self._idle.pop() if self._idle else await self._connected()
        return await connection.ask(request, most)

    def close(self) -> Deferred[Any]:
        """Closes those that nobody uses; fires when they are gone."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        idle, self._idle = self._idle, []
        return gatherResults([connection.close() for connection in idle])

    def put_back(self, connection: "BriefConnection") -> None:
        """It can be used by others."""
        if len(self._idle) >= self._most_idle:
            connection.close()
            return
        connection.idle_since = self._reactor.seconds()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = self._reactor.callLater(_IDLE_SECONDS, self._close_old)

    def lost(self, connection: "BriefConnection") -> None:
        """It is of no use any more."""
        if connection in self._idle:
            self._idle.remove(connection)

    def _close_old(self) -> None:
        before = self._reactor.seconds() - _IDLE_SECONDS
        for connection in [connection for connection in self._idle if connection.idle_since <= before]:
            self._idle.remove(connection)
            connection.close()
        self._sweep = self._reactor.callLater(_IDLE_SECONDS, self._close_old) if self._idle else None

    async def _connected(self) -> "BriefConnection":
        connection: BriefConnection = await self._endpoint.connect(_Connections(self))
        return connection


class _Connections(Factory):
    noisy = False

    def __init__(self, pool: BriefConnections) -> None:
        self._pool = pool

    def buildProtocol(self, _: object) -> "BriefConnection":
        return BriefConnection(self._pool)


class BriefConnection(Protocol):
    """Cancelling a request ends it."""

    transport: Any
    idle_since = 0.0

    def __init__(self, pool: BriefConnections) -> None:
        self._pool = pool
        self._reader = BriefAnswerReader(0)
        self._asked: Deferred[BriefAnswer] | None = None
        self._gone: Deferred[None] = Deferred()

    def ask(self, request: bytes, most: int) -> Deferred[BriefAnswer]:
        """To be called when the answer before has come."""
        self._reader = BriefAnswerReader(most)
        self._asked = Deferred(lambda _: self._abort())
        self.transport.write(request)
        return self._asked

    def close(self) -> Deferred[None]:
        """Fires when it is closed."""
        self.transport.loseConnection()
        return self._gone

    def dataReceived(self, data: bytes) -> None:
        asked = self._asked
        if asked is None:
            # Nobody wants to know anything.
            self._abort()
            return
        try:
            answer = self._reader.feed(data)
        except UnusableAnswer as error:
            self._abort()
            asked.errback(error)
            return
        if answer is not None:
            self._answered(asked, answer)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # Twisted's default is no Failure
        self._pool.lost(self)
        asked, self._asked = self._asked, None
        if asked is not None:
            self._ended(asked, reason)
        self._gone.callback(None)

    def _ended(self, asked: Deferred[BriefAnswer], reason: Failure) -> None:
        if not self._reader.has_begun:
            asked.errback(reason)
            return
        try:
            answer = self._reader.end()
        except UnusableAnswer as error:
            asked.errback(error)
        else:
            asked.callback(answer)

    def _answered(self, asked: Deferred[BriefAnswer], answer: BriefAnswer) -> None:
        self._asked = None
        # Before whoever asked hears of it, as they may ask for more at once.
        if self._reader.leaves_connection:
            self._pool.put_back(self)
        else:
            self.close()
        asked.callback(answer)

    def _abort(self) -> None:
        self._asked = None
        self._pool.lost(self)
        self.transport.abortConnection()


def request_bytes(method: str, target: str, host: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request as it is sent. Raises ValueError where it would be none, or two."""
    if not _TARGET.fullmatch(target):
        raise ValueError("The URL has characters that no URL has")
    lines = [f"{name}: {value}" for name, value in ({"Host": host} | dict(headers)).items()]
    if not all(map(_LINE.fullmatch, lines)):
        raise ValueError("A header has characters that no header has")
    head = f"{method} {target} HTTP/1.1\r\n" + "\r\n".join(lines)
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode("ascii") + body
