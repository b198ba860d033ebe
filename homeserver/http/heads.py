"""The head of an answer: the line with its status, and its headers.

Twisted's own way to it takes longer than many an endpoint. https://www.rfc-editor.org/rfc/rfc9112#section-4
"""

from functools import lru_cache

from twisted.web.http import RESPONSES

Headers = tuple[tuple[bytes, bytes], ...]

CLOSE = b"Connection: close\r\n"


def head(version: bytes, status: int, *lines: bytes) -> bytes:
    """All up to the body, for a client that speaks this version of HTTP."""
    return b"%b %d %b\r\n%b\r\n" % (version, status, RESPONSES.get(status, b"Unknown"), b"".join(lines))


# Most answers have the same few.
@lru_cache(maxsize=200)
def header_lines(headers: Headers) -> bytes:
    """The lines of headers, of those of one name the last."""
    last = {name.lower(): (name, value) for name, value in headers}
    # Whatever a value is made of, it begins no other line.
    return b"".join([b"%b: %b\r\n" % (name, b" ".join(value.splitlines())) for name, value in last.values()])


def length_line(length: int) -> bytes:
    return b"Content-Length: %d\r\n" % length
