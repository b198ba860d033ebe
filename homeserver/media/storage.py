"""Where the bytes of files are kept, found by their SHA-256: the same bytes are there once."""

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import IO, BinaryIO, Protocol, cast

from homeserver.media.store.contents import Content

_PIECE = 256 * 1024


class Storage(Protocol):
    """Its methods block, so they are called in threads."""

    def store(self, source: BinaryIO) -> Content:
        """Copies all that can be read from `source`; it is safe on the disk when this returns. Raises OSError."""

    def open(self, digest: bytes) -> BinaryIO:
        """Raises FileNotFoundError."""

    def delete(self, digest: bytes) -> None:
        """What is not there is not missed."""

    def temporary_file(self) -> BinaryIO:
        """A file without a name, for what is to be stored once it is complete."""

    def delete_abandoned(self, before: float) -> None:
        """Removes what uploads left behind that began before a time (seconds since the epoch) and never ended."""


class LocalStorage:
    """A directory: `content` holds the files, by their hashes alone, and `incoming` those on their way there."""

    def __init__(self, directory: Path) -> None:
        self._root = directory
        self._content = directory / "content"
        self._incoming = directory / "incoming"

    def store(self, source: BinaryIO) -> Content:
        self._make_directories()
        file = NamedTemporaryFile(dir=self._incoming, delete=False)  # noqa: SIM115 -- it is renamed while it is open
        try:
            with file:
                content = _copy(source, file)
                path = self._path(content.sha256)
                path.parent.mkdir(mode=0o700, exist_ok=True)
                if not path.exists():
                    file.flush()
                    os.fsync(file.fileno())
                    os.replace(file.name, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(file.name)
        # Also where the file was there: whoever made it may not have come so far yet.
        for directory in (path.parent, self._content, self._root):
            _sync_directory(directory)
        return content

    def open(self, digest: bytes) -> BinaryIO:
        return self._path(digest).open("rb")

    def delete(self, digest: bytes) -> None:
        with suppress(FileNotFoundError):
            self._path(digest).unlink()

    def temporary_file(self) -> BinaryIO:
        self._make_directories()
        return cast(BinaryIO, TemporaryFile(dir=self._incoming))

    def delete_abandoned(self, before: float) -> None:
        if not self._incoming.is_dir():
            return
        for entry in os.scandir(self._incoming):
            with suppress(FileNotFoundError):
                if entry.stat().st_mtime < before:
                    os.unlink(entry.path)

    def _make_directories(self) -> None:
        for directory in (self._root, self._content, self._incoming):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        # Directories of millions of files are slow to list.
        return self._content / name[:2] / name[2:]


def _copy(source: BinaryIO, target: IO[bytes]) -> Content:
    hashed, length = sha256(), 0
    while piece := source.read(_PIECE):
        hashed.update(piece)
        length += target.write(piece)
    return Content(hashed.digest(), length)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
