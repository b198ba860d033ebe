"""HTTP/1.1 as lean as a load generator needs it: one request at a time on a connection that stays open."""

import asyncio
import json
import ssl
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    status: int
    body: bytes

    def json(self) -> Any:  # an answer is whatever the server under test chose to send
        return json.loads(self.body)


class ProtocolError(Exception):
    """The server closed the connection early, or sent what is not HTTP/1.1."""


class AnswerReader:
    """Collects bytes until they make one answer (RFC 9112, sections 6.3 and 7.1). No I/O."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._status = 0
        self._body_start = 0
        self._length: int | None = None
        self._chunks: list[bytes] = []
        self._next_chunk = 0

    def feed(self, data: bytes) -> Answer | None:
        """The answer, once it is whole."""
        self._received += data
        if not self._body_start and not self._read_head():
            return None
        if self._length is None:
            return self._read_chunks()
        end = self._body_start + self._length
        if len(self._received) < end:
            return None
        return Answer(self._status, bytes(self._received[self._body_start : end]))

    def _read_head(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._received[: end + 2]).lower()
        if not head.startswith(b"http/1.1 "):
            raise ProtocolError(f"not an HTTP/1.1 answer: {head[:40]!r}")
        self._status = int(head[9:12])
        self._body_start = self._next_chunk = end + 4
        self._length = _content_length(head)
        return True

    def _read_chunks(self) -> Answer | None:
        while (line_end := self._received.find(b"\r\n", self._next_chunk)) >= 0:
            size = int(self._received[self._next_chunk : line_end].split(b";")[0], 16)
            start, end = line_end + 2, line_end + 2 + size
            if len(self._received) < end + 2:
                return None
            if size == 0:
                return Answer(self._status, b"".join(self._chunks))
            self._chunks.append(bytes(self._received[start:end]))
            self._next_chunk = end + 2
        return None


def _content_length(head: bytes) -> int | None:
    """None if the body comes in chunks. `head` is in lower case."""
    name = b"\r\ncontent-length:"
    start = head.find(name)
    if start >= 0:
        start += len(name)
        return int(head[start : head.index(b"\r\n", start)])
    if b"\r\ntransfer-encoding: chunked\r\n" in head:
        return None
    raise ProtocolError("an answer must give its length or come in chunks to keep the connection open")


class Connection(asyncio.Protocol):
    """One connection to the server, opened when first used and again after the server has closed it."""

    def __init__(self, url: str, access_token: str | None = None) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (443 if self._secure else 80)
        authorization = f"Authorization: Bearer {access_token}\r\n" if access_token else ""
        self._head = (f" HTTP/1.1\r\nHost: {parts.netloc}\r\n{authorization}Content-Type: ").encode()
        self._transport: asyncio.Transport | None = None
        self._reader = AnswerReader()
        self._answer: asyncio.Future[Answer] | None = None

    async def request(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        content_type: str = "application/json",
        *,
        authorization: str | None = None,
    ) -> Answer:
        """Send one request and wait for its answer; `target` is the path and query, already encoded.

        `authorization` is for connections that have no access token.

        Raises ProtocolError, or OSError when the server cannot be reached.
        """
        transport = self._transport or await self._connect()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answer = answer
        transport.write(
            b"".join(
                (
                    f"{method} {target}".encode(),
                    self._head,
                    content_type.encode(),
                    b"" if authorization is None else f"\r\nAuthorization: {authorization}".encode(),
                    f"\r\nContent-Length: {len(body)}\r\n\r\n".encode(),
                    body,
                )
            )
        )
        return await answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    async def _connect(self) -> asyncio.Transport:
        context = ssl.create_default_context() if self._secure else None
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, self._host, self._port, ssl=context)
        assert self._transport
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            answer = self._reader.feed(data)
        except (ValueError, ProtocolError) as error:
            self.close()
            self.connection_lost(error)
            return
        if answer is not None and self._answer is not None:
            waiting, self._answer = self._answer, None
            self._reader = AnswerReader()
            if not waiting.done():
                waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._reader = AnswerReader()
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(ProtocolError(f"connection lost before the answer: {exc or 'closed'}"))
