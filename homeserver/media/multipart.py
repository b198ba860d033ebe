"""A file with what comes before and after it in a multipart body: https://www.rfc-editor.org/rfc/rfc2046#section-5.1"""

import io
from collections.abc import Sequence
from typing import BinaryIO, cast

from homeserver.http.endpoint import FileAnswer
from homeserver.runtime.randomness import Randomness

_BOUNDARY_LENGTH = 32


class Enclosed(io.RawIOBase):
    """Reads like one file: `before`, then the file, then `after`. Closing it closes the file."""

    def __init__(self, before: bytes, file: BinaryIO, length: int, after: bytes) -> None:
        super().__init__()
        self._parts: Sequence[tuple[BinaryIO, int]] = (
            (io.BytesIO(before), len(before)),
            (file, length),
            (io.BytesIO(after), len(after)),
        )
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("only from the start")
        self._position = offset
        return offset

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # typeshed's buffer has no slices
        start = 0
        for part, length in self._parts:
            within = self._position - start
            if within < length:
                part.seek(within)
                piece = part.read(min(len(buffer), length - within))
                buffer[: len(piece)] = piece
                self._position += len(piece)
                return len(piece)
            start += length
        return 0

    def close(self) -> None:
        self._file.close()
        super().close()


def multipart(answer: FileAnswer, randomness: Randomness) -> FileAnswer:
    """The file as other servers get it: its metadata, of which there are none, and then itself.

    https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1mediadownloadmediaid
    """
    boundary = randomness.token(_BOUNDARY_LENGTH)
    told = "".join(
        f"{name}: {value}\r\n"
        for name, value in answer.headers
        if name in ("Content-Type", "Content-Disposition")
    )
    before = (
        f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--{boundary}\r\n{told}\r\n".encode()
    )
    after = f"\r\n--{boundary}--\r\n".encode()
    enclosed = cast(BinaryIO, Enclosed(before, answer.file, answer.length, after))
    length = len(before) + answer.length + len(after)
    # The boundary is another one each time, and so are the bytes.
    return FileAnswer(
        enclosed, length, f'"{boundary}"', (("Content-Type", f"multipart/mixed; boundary={boundary}"),)
    )
