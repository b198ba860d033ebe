"""A file on its way to a client: in pieces, as fast as the client takes them."""

import logging
from typing import BinaryIO, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

log = logging.getLogger(__name__)

_PIECE = 64 * 1024


class Sink(Protocol):
    """Where the bytes go: a request, as far as it is needed here."""

    def write(self, data: bytes) -> object: ...
    def registerProducer(self, producer: object, streaming: bool) -> object: ...
    def unregisterProducer(self) -> object: ...
    def loseConnection(self) -> object: ...


@implementer(IPushProducer)
class FileStream:
    """Sends `length` bytes of a file from `start` on, and closes the file.

    No more than a piece is in memory. It reads in the reactor, as pieces mostly come from the system's cache.
    """

    def __init__(self, file: BinaryIO, start: int, length: int, sink: Sink) -> None:
        self._file = file
        self._left = length
        self._sink = sink
        self._paused = False
        self._ended: Deferred[bool] = Deferred(lambda _: self.stopProducing())
        file.seek(start)

    def send(self) -> Deferred[bool]:
        """Fires when all is sent, with True, or with False when the rest cannot be: the connection ends."""
        self._sink.registerProducer(self, True)
        self.resumeProducing()
        return self._ended

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        while not self._paused and not self._ended.called:
            piece = self._file.read(min(_PIECE, self._left))
            self._left -= len(piece)
            if piece:
                self._sink.write(piece)
            if not piece or not self._left:
                self._finish()

    def stopProducing(self) -> None:
        """Called by the connection when it is lost."""
        self._end(complete=False)

    def _finish(self) -> None:
        self._sink.unregisterProducer()
        if self._left:
            # Otherwise the client would take what it got for the whole, or wait for the rest.
            log.error("a file is %d bytes shorter than it should be", self._left)
            self._sink.loseConnection()
        self._end(complete=not self._left)

    def _end(self, *, complete: bool) -> None:
        self._file.close()
        if not self._ended.called:
            self._ended.callback(complete)
