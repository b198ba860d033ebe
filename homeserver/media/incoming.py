"""Files on their way into the media store."""

import io
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp

from homeserver.media.store.contents import Content


class IncomingFile(io.FileIO):
    """Is measured while it is written, so nobody need read it again to find out what to call it.

    It is gone when it is closed, unless `move` has given it a place.
    """

    def __init__(self, directory: Path) -> None:
        """Raises OSError; FileNotFoundError where there is no such directory."""
        descriptor, name = mkstemp(dir=directory)
        super().__init__(descriptor, "r+b")
        self.directory = directory
        self._path: Path | None = Path(name)
        self._hashed = sha256()
        self._length = 0

    @property
    def content(self) -> Content:
        """What has been written."""
        return Content(self._hashed.digest(), self._length)

    @property
    def is_placed(self) -> bool:
        """Whether it was moved; it can still be read."""
        return self._path is None

    def write(self, data: bytes) -> int:  # type: ignore[override]  # nobody writes anything but bytes
        """All of it, one piece after the other from the start. Raises OSError."""
        self._hashed.update(data)
        self._length += len(data)
        # The last one before the disk is full may be written in part.
        rest = memoryview(data)
        while rest:
            rest = rest[super().write(rest) :]
        return len(data)

    def move(self, path: Path) -> None:
        """It is there as a whole after that, or not at all. Raises OSError."""
        assert self._path is not None, "a file has one place"
        os.fsync(self.fileno())
        os.replace(self._path, path)
        self._path = None

    def close(self) -> None:
        super().close()
        path, self._path = self._path, None
        if path is not None:
            with suppress(FileNotFoundError):
                os.unlink(path)
