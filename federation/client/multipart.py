"""Reading a multipart body as it arrives: what comes with a file first, then the file.

https://www.rfc-editor.org/rfc/rfc2046#section-5.1
"""

import re
from collections.abc import Callable, Mapping
from email.parser import BytesHeaderParser

_MOST_HEAD = 16 * 1024
_MOST_METADATA = 64 * 1024
_BOUNDARY = re.compile(rb"(?:\A|\r\n)--([0-9A-Za-z'()+_,./:=? -]{1,70})[ \t]*\r\n")


class MultipartInvalid(Exception):
    """It is no multipart body of the two parts that there must be."""


class TwoParts:
    """A body of exactly two parts. `metadata` is the first one; the second goes to `write`, piece by piece.

    Names of `headers`, those of the second part, are in lower case.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._buffer = b""
        self._delimiter = b""
        self._read = self._read_preamble
        self.headers: Mapping[str, str] = {}
        self.metadata = b""
        self.is_complete = False

    def feed(self, data: bytes) -> None:
        """Takes the next piece. Raises MultipartInvalid, or what `write` raises."""
        self._buffer += data
        while self._read():
            pass

    def _read_preamble(self) -> bool:
        # Whoever reads a body piece by piece does not see its headers, but it begins with the boundary all the same.
        found = _BOUNDARY.search(self._buffer)
        if found is None:
            self._check_length(_MOST_HEAD)
            return False
        self._delimiter = b"\r\n--" + found[1].rstrip()
        self._buffer = self._buffer[found.end() :]
        self._read = self._skip_first_headers
        return True

    def _skip_first_headers(self) -> bool:
        if self._take_headers() is None:
            return False
        self._read = self._read_metadata
        return True

    def _read_metadata(self) -> bool:
        metadata, found, rest = self._buffer.partition(self._delimiter + b"\r\n")
        if not found:
            self._check_length(_MOST_METADATA)
            return False
        self.metadata, self._buffer = metadata, rest
        self._read = self._read_second_headers
        return True

    def _read_second_headers(self) -> bool:
        headers = self._take_headers()
        if headers is None:
            return False
        self.headers = headers
        self._read = self._read_file
        return True

    def _read_file(self) -> bool:
        piece, found, _ = self._buffer.partition(self._delimiter + b"--")
        if found:
            self._buffer = b""
            self.is_complete = True
            self._read = self._ignore
        else:
            # The end may be the beginning of the delimiter.
            kept = len(self._delimiter) + 2
            piece, self._buffer = self._buffer[:-kept], self._buffer[-kept:]
        if piece:
            self._write(piece)
        return False

    def _ignore(self) -> bool:
        self._buffer = b""
        return False

    def _take_headers(self) -> Mapping[str, str] | None:
        """None where they have not all arrived."""
        # A part without headers begins with the empty line.
        if self._buffer.startswith(b"\r\n"):
            self._buffer = self._buffer[2:]
            return {}
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            self._check_length(_MOST_HEAD)
            return None
        self._buffer = rest
        parsed = BytesHeaderParser().parsebytes(head + b"\r\n\r\n")
        return {name.lower(): str(value) for name, value in parsed.items()}

    def _check_length(self, most: int) -> None:
        if len(self._buffer) > most:
            raise MultipartInvalid(f"A part that should be short has more than {most} bytes")
