"""Reading short answers off the wire, as a whole: https://www.rfc-editor.org/rfc/rfc9112"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LONGEST_HEAD = 64 * 1024
_LONGEST_LINE = 1000  # before a chunk
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: .*)?", re.DOTALL)
_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}")
_LENGTH = re.compile(r"\d{1,15}", re.ASCII)
_BODILESS = frozenset({204, 304})


class UnusableAnswer(Exception):
    """The text says why, in words for a log."""


class LongAnswer(UnusableAnswer):
    """It has more bytes than it may."""


@dataclass(frozen=True, slots=True)
class BriefAnswer:
    """Names of headers are in lower case, and each has its last value."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BriefAnswerReader:
    """Collects what comes until it is one answer to a request that was not HEAD."""

    def __init__(self, most: int) -> None:
        """`most` bytes may the body have."""
        self._most = most
        self._received = bytearray()
        self._status: int | None = None
        self._headers: Mapping[str, str] = {}
        self._keeps = False
        self._length: int | None = None
        self._unchunked: bytearray | None = None

    @property
    def has_begun(self) -> bool:
        """Whether anything came at all."""
        return self._status is not None or bool(self._received)

    @property
    def leaves_connection(self) -> bool:
        """Whether, after the answer, the connection can be used for another."""
        return self._keeps and not self._received

    def feed(self, data: bytes) -> BriefAnswer | None:
        """The answer, once it is whole. Raises UnusableAnswer, LongAnswer."""
        self._received += data
        while self._status is None:
            if not self._read_head():
                return None
        if self._unchunked is not None:
            return self._read_chunks(self._unchunked)
        if self._length is None:
            self._check(len(self._received))
            return None
        if len(self._received) < self._length:
            return None
        return self._answer(self._taken(self._length))

    def end(self) -> BriefAnswer:
        """The answer, where the end of the connection is its own. Raises UnusableAnswer."""
        if self._status is None or self._length is not None or self._unchunked is not None:
            raise UnusableAnswer("The answer ended too early")
        self._keeps = False
        return self._answer(self._taken(len(self._received)))

    def _read_head(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end > _LONGEST_HEAD or (end < 0 and len(self._received) > _LONGEST_HEAD):
            raise UnusableAnswer("The head of the answer is too long")
        if end < 0:
            return False
        status_line, *lines = self._taken(end + 4)[:-4].split(b"\r\n")
        matched = _STATUS_LINE.fullmatch(status_line)
        if matched is None:
            raise UnusableAnswer("The answer is not HTTP/1.1")
        status = int(matched[2])
        # Others may come before the one that counts; only 101 would mean another protocol.
        if status == 101:
            raise UnusableAnswer("The answer changes the protocol")
        if status >= 200:
            self._status, self._headers = status, _headers(lines)
            self._find_body(is_1_1=matched[1] == b"1")
        return True

    def _find_body(self, *, is_1_1: bool) -> None:
        """https://www.rfc-editor.org/rfc/rfc9112#section-6.3"""
        headers = self._headers
        self._keeps = is_1_1 and "close" not in headers.get("connection", "").lower()
        coding = headers.get("transfer-encoding")
        if self._status in _BODILESS:
            self._length = 0
        elif coding is not None:
            if coding.lower() != "chunked":
                raise UnusableAnswer("The answer is coded in a way that nobody asked for")
            self._unchunked = bytearray()
        elif "content-length" in headers:
            length = headers["content-length"]
            if not _LENGTH.fullmatch(length):
                raise UnusableAnswer("The answer has no sensible length")
            self._length = int(length)
            if self._length > self._most:
                raise LongAnswer(f"The answer has {length} bytes, more than {self._most}")

    def _read_chunks(self, body: bytearray) -> BriefAnswer | None:
        """https://www.rfc-editor.org/rfc/rfc9112#section-7.1"""
        while (line_end := self._received.find(b"\r\n", 0, _LONGEST_LINE)) >= 0:
            size_given = bytes(self._received[:line_end]).partition(b";")[0].strip()
            if not _SIZE.fullmatch(size_given):
                raise UnusableAnswer("The answer has a chunk without a size")
            size = int(size_given, 16)
            if size == 0:
                return self._read_trailer(body, line_end)
            self._check(len(body) + size)
            start = line_end + 2
            if len(self._received) < start + size + 2:
                return None
            if self._received[start + size : start + size + 2] != b"\r\n":
                raise UnusableAnswer("The answer has a chunk of another size than it says")
            body += self._taken(start + size + 2)[start:-2]
        if len(self._received) >= _LONGEST_LINE:
            raise UnusableAnswer("The answer has a chunk without a size")
        return None

    def _read_trailer(self, body: bytearray, line_end: int) -> BriefAnswer | None:
        end = self._received.find(b"\r\n\r\n", line_end)
        if end >= 0:
            self._taken(end + 4)
            return self._answer(bytes(body))
        if len(self._received) > _LONGEST_HEAD:
            raise UnusableAnswer("The answer does not end")
        return None

    def _answer(self, body: bytes) -> BriefAnswer:
        assert self._status is not None, "the head was read"
        return BriefAnswer(self._status, self._headers, body)

    def _check(self, length: int) -> None:
        if length > self._most:
            raise LongAnswer(f"The answer has more than {self._most} bytes")

    def _taken(self, number: int) -> bytes:
        taken = bytes(self._received[:number])
        del self._received[:number]
        return taken


def _headers(lines: list[bytes]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        # A line that goes on in the next one is forbidden, and nobody sends such.
        if not colon or not name or name != name.strip():
            raise UnusableAnswer("The answer has a header that is none")
        name, value = name.lower(), value.strip()
        if name == "content-length" and headers.get(name, value) != value:
            raise UnusableAnswer("The answer has two lengths")
        headers[name] = value
    return headers
