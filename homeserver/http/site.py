"""Requests off the wire: Twisted's HTTP channel on one side, the dispatcher on the other."""

import gzip
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from io import BytesIO
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Protocol, cast

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web import http

from homeserver.http.dispatch import Incoming, Rendered, render_error
from homeserver.http.endpoint import FileAnswer
from homeserver.http.file_stream import FileStream
from homeserver.http.heads import CLOSE, Headers, head, header_lines, length_line
from homeserver.http.partial import Part, Wish, part_of
from homeserver.protocol.errors import ServerUnavailable, TooLarge
from homeserver.runtime.clock import DelayedCall, ReactorTime

log = logging.getLogger(__name__)

# https://spec.matrix.org/v1.19/client-server-api/#web-browser-clients
CORS_HEADERS = (
    (b"Access-Control-Allow-Origin", b"*"),
    (b"Access-Control-Allow-Methods", b"GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    (b"Access-Control-Allow-Headers", b"X-Requested-With, Content-Type, Authorization, Date"),
)
_VARYING = ((b"Vary", b"Accept-Encoding"),)
_COMPRESSED = (*_VARYING, (b"Content-Encoding", b"gzip"))
LARGEST_BODY = 20 * 1024 * 1024
_LARGEST_IN_MEMORY = 100 * 1000  # bytes of a body
_LONG_PIECE = 256 * 1024
_COMPRESS_FROM = 1400  # bytes; below, the answer fits one packet anyway
_IDLE_SECONDS = 75
# As much of a request has to come in that time, or all of it.
_PROGRESS = 32 * 1024
_NOT_ACCEPTED = re.compile(r"q=0(\.0*)?")


def file_without_name() -> BinaryIO:
    """Where the system keeps such files."""
    return cast(BinaryIO, TemporaryFile())


class Answers(Protocol):
    """Whoever answers the requests of a listener: the `Dispatcher`, or something before it."""

    def answer(self, incoming: Incoming) -> Awaitable[Rendered]: ...


class Request(http.Request):
    """One request of a client."""

    channel: "Channel"
    _received = 0
    _running: Deferred[None] | None = None
    _gone = False
    _unkept: OSError | None = None
    _content_type: str | None = None

    def gotLength(self, length: int | None) -> None:
        """A promised length takes no room yet, whatever it is."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Keeps the body up to the limit of the whole server; what is beyond it is not stored.

        It goes to the disk once it is long.
        """
        self._received += len(data)
        if self._received > self.channel.site.largest_body or self._unkept is not None:
            return
        try:
            self._body_so_far().write(data)
        except OSError as error:
            self._unkept = error

    def _body_so_far(self) -> BinaryIO:
        body = cast(BinaryIO, self.content)
        if self._received > _LARGEST_IN_MEMORY and isinstance(body, BytesIO):
            so_far, body = body.getvalue(), self.channel.site.body_file()
            self.content = body
            body.write(so_far)
            self.channel.read_in_long_pieces()
        return body

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        self._content_type = self._header(b"content-type")
        # Twisted would read whatever is called a form into memory at once, and refuse some of them.
        self.requestHeaders.removeHeader(b"content-type")
        super().requestReceived(command, path, version)

    def process(self) -> None:
        if self.method == b"OPTIONS":
            self._send(Rendered(204, b"", ()))
        elif self._received > self.channel.site.largest_body:
            self._send(render_error(TooLarge(f"The body may have {self.channel.site.largest_body} bytes")))
        elif self._unkept is not None:
            log.error("a body cannot be kept: %s", self._unkept)
            self._send(render_error(ServerUnavailable("The server has no room for the body at the moment")))
        else:
            self._running = Deferred.fromCoroutine(self._answer())

    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)
        self._gone = True
        site = self.channel.site if self.channel is not None else None
        if site is not None:
            site.running.discard(self)
        if self._running is not None:
            self._running.cancel()

    async def _answer(self) -> None:
        site = self.channel.site
        site.running.add(self)
        try:
            rendered = await site.dispatcher.answer(self._incoming())
            if rendered.file is not None:
                await self._send_file(rendered, rendered.file)
            elif not self._gone:
                self._send(rendered)
        except Exception:
            log.exception("could not send an answer")
        finally:
            site.running.discard(self)
            site.one_ended()

    def _incoming(self) -> Incoming:
        path, _, _ = self.uri.partition(b"?")
        return Incoming(
            method=self.method.decode("ascii", "replace"),
            path=path.decode("ascii", "replace"),
            target=self.uri.decode("ascii", "replace"),
            query=self.args,
            address=self._address(),
            user_agent=self._header(b"user-agent") or "",
            authorization=self._header(b"authorization"),
            body_length=self._received,
            read_body=self._read_body,
            content_type=self._content_type,
            take_body=self._take_body,
        )

    def _header(self, name: bytes) -> str | None:
        value = self.getHeader(name)
        return None if value is None else value.decode("utf-8", "replace")

    def _read_body(self) -> bytes:
        return b"" if self.content is None else self.content.read()

    def _take_body(self) -> BinaryIO:
        # Otherwise Twisted would close it when the client goes away, in the midst of its being read.
        body, self.content = self.content, None
        return BytesIO() if body is None else body

    def _address(self) -> str:
        """The client's address. Only a listener that stands behind a proxy believes the proxy's header.

        The last entry is the one that our own proxy added; those before it came from the client.
        """
        if self.channel.site.x_forwarded:
            forwarded = self._header(b"x-forwarded-for")
            if forwarded:
                return forwarded.rsplit(",", 1)[-1].strip()
        return str(getattr(self.client, "host", ""))

    def _send(self, rendered: Rendered) -> None:
        body, coding = self._coded(rendered.body)
        if rendered.status in http.NO_BODY_CODES:
            answer = [self._head(rendered.status, rendered.headers)]
        else:
            answer = [self._head(rendered.status, rendered.headers + coding, length_line(len(body))), body]
        self.channel.writeSequence(answer[:1] if self.method == b"HEAD" else answer)
        self.finish()

    def _coded(self, body: bytes) -> tuple[bytes, Headers]:
        """What is sent for the body, and the headers that say so."""
        if len(body) < _COMPRESS_FROM or not self.channel.site.compress:
            return body, ()
        if not _accepts_gzip(self._header(b"accept-encoding") or ""):
            return body, _VARYING
        # Level 1: most of the gain for a fraction of the time.
        return gzip.compress(body, compresslevel=1), _COMPRESSED

    async def _send_file(self, rendered: Rendered, answer: FileAnswer) -> None:
        """As much of it as is asked for. Files are not compressed: most of them are already."""
        with answer.file:
            if self._gone:
                return
            part = self._part(answer)
            headers = (*rendered.headers, *_file_headers(part, answer))
            length = b"" if part.status == http.NOT_MODIFIED else length_line(part.length)
            self.channel.write(self._head(part.status, headers, length))
            is_empty = self.method == b"HEAD" or not part.length
            is_sent = is_empty or await FileStream(answer.file, part.start, part.length, self).send()
        if is_sent:
            self.finish()

    def _part(self, answer: FileAnswer) -> Part:
        # Ranges are of GET alone: https://www.rfc-editor.org/rfc/rfc9110#section-14.2-5
        wanted = self._header(b"range") if self.method == b"GET" else None
        wish = Wish(wanted, self._header(b"if-range"), self._header(b"if-none-match"))
        return part_of(wish, answer.length, answer.etag)

    def _head(self, status: int, headers: Headers, length: bytes = b"") -> bytes:
        """The head of the answer, to be written by the caller; `length` is the line that tells that of the body."""
        self.startedWriting = 1
        if self.channel.site.draining:
            # Busy clients would otherwise go on asking, and there would be no end.
            self.channel.persistent = False
        ending = b"" if self.channel.persistent else CLOSE
        return head(self.clientproto, status, header_lines(CORS_HEADERS + headers), length, ending)


def _file_headers(part: Part, answer: FileAnswer) -> Iterator[tuple[bytes, bytes]]:
    yield b"ETag", answer.etag.encode()
    yield b"Accept-Ranges", b"bytes"
    if part.status == http.PARTIAL_CONTENT:
        last = part.start + part.length - 1
        yield b"Content-Range", f"bytes {part.start}-{last}/{answer.length}".encode()
    elif part.status == http.REQUESTED_RANGE_NOT_SATISFIABLE:
        yield b"Content-Range", f"bytes */{answer.length}".encode()


def _accepts_gzip(accepted: str) -> bool:
    """https://www.rfc-editor.org/rfc/rfc9110#field.accept-encoding"""
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() == "gzip":
            return not _NOT_ACCEPTED.fullmatch(weight.strip())
    return False


class Channel(http.HTTPChannel):
    """A connection of a client."""

    requestFactory = Request
    timeOut = _IDLE_SECONDS

    def __init__(self, site: "Site") -> None:
        super().__init__()
        self.site = site
        self._progress = 0
        self._host: Any = None

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self._progress += len(data)

    def resetTimeout(self) -> None:
        """Twisted calls it for each piece. A connection on which a byte comes now and then would be open for ever."""
        if self._progress == 0 or self._progress >= _PROGRESS:
            self._progress = 0
            super().resetTimeout()

    def allContentReceived(self) -> None:
        super().allContentReceived()
        self._progress = 0

    def rawDataReceived(self, data: bytes) -> None:
        # There is no decoder after a request whose length is none: it was refused, and the connection is closing.
        if self._handlingRequest or self._transferDecoder is not None:
            super().rawDataReceived(data)

    def getHost(self) -> Any:
        # Twisted asks for each request, and the system each time.
        if self._host is None:
            self._host = super().getHost()
        return self._host

    def connectionMade(self) -> None:
        super().connectionMade()
        self.site.connections.add(self)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # Twisted's default is no Failure
        super().connectionLost(reason)
        self.site.connections.discard(self)
        self.site.one_closed()

    def read_in_long_pieces(self) -> None:
        """From now on: each piece costs Twisted and us the same, however long it is."""
        transport: Any = self.transport  # its interface says nothing of it
        transport.bufferSize = _LONG_PIECE

    def callLater(self, period: float, func: Callable[[], object]) -> DelayedCall:
        """Otherwise connections would be timed by the global reactor."""
        return self.site.time.callLater(period, func)


class Site(http.HTTPFactory):
    """All connections of one listener."""

    def __init__(
        self,
        dispatcher: Answers,
        reactor: Any,
        *,
        compress: bool,
        x_forwarded: bool,
        largest_body: int = LARGEST_BODY,
        body_file: Callable[[], BinaryIO] = file_without_name,
    ) -> None:
        """`largest_body` is in bytes: no endpoint takes a larger one. `body_file` makes files for long ones."""
        super().__init__(reactor=reactor)
        self.dispatcher = dispatcher
        self.body_file = body_file
        self.largest_body = largest_body
        self.compress = compress
        self.x_forwarded = x_forwarded
        self.time: ReactorTime = reactor
        self.running: set[Request] = set()
        self.connections: set[Channel] = set()
        self._drained: Deferred[None] | None = None
        self._closed: Deferred[None] | None = None

    def buildProtocol(self, addr: object) -> Any:
        channel = Channel(self)
        channel.factory = self
        return channel

    def log(self, request: http.Request) -> None:
        """The dispatcher logs; Twisted's access log is not wanted."""

    @property
    def draining(self) -> bool:
        """Whether every answer from now on is the last of its connection."""
        return self._drained is not None

    def when_drained(self) -> Deferred[None]:
        """Fires when no request is under way."""
        self._drained = Deferred()
        self.one_ended()
        return self._drained

    def one_ended(self) -> None:
        """To be called after a request has ended, with or without an answer."""
        if self._drained is not None and not self._drained.called and not self.running:
            self._drained.callback(None)

    def when_closed(self) -> Deferred[None]:
        """Closes every connection as soon as what was written to it is sent; fires when that is done."""
        self._closed = Deferred()
        for connection in list(self.connections):
            connection.loseConnection()
        self.one_closed()
        return self._closed

    def one_closed(self) -> None:
        """To be called after a connection has closed."""
        if self._closed is not None and not self._closed.called and not self.connections:
            self._closed.callback(None)
