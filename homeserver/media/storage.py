"""Where the bytes of files are kept, found by their SHA-256: the same bytes are there once."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO, Protocol, cast

from homeserver.media.incoming import IncomingFile
from homeserver.media.store.contents import Content

_PIECE = 256 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Storage(Protocol):
    """Its methods block, so they are called in threads."""

    def store(self, source: BinaryIO) -> Content:
        """Keeps all that is in `source`, which is at its start; it is safe on the disk when this returns.

        Raises OSError. It may still be read from `source` after that.
        """

    def open(self, digest: bytes) -> BinaryIO:
        """Raises FileNotFoundError."""

    def delete(self, digest: bytes) -> None:
        """What is not there is not missed."""

    def digests(self, after: bytes, limit: int) -> Sequence[bytes]:
        """What is there beyond a digest, in order, at most `limit` of them. None where there is nothing more."""

    def incoming_file(self) -> BinaryIO:
        """For bytes as they come, one after the other, from which `store` then has the least to do.

        It does not block for long, so it may be called anywhere. It is gone when it is closed. Raises OSError.
        """

    def temporary_file(self) -> BinaryIO:
        """As `incoming_file`, for what another process is to write."""

    def delete_abandoned(self, before: float) -> None:
        """Removes what uploads left behind that began before a time (seconds since the epoch) and never ended."""


class LocalStorage:
    """A directory: `content` holds the files, by their hashes alone, and `incoming` those on their way there."""

    def __init__(self, directory: Path) -> None:
        self._root = directory
        self._content = directory / "content"
        self._incoming = directory / "incoming"
        self._lasting: set[Path] = set()

    def store(self, source: BinaryIO) -> Content:
        if isinstance(source, IncomingFile) and source.directory == self._incoming and not source.is_placed:
            return self._place(source)
        with self._incoming_file() as file:
            copyfileobj(source, file, _PIECE)
            return self._place(file)

    def _place(self, file: IncomingFile) -> Content:
        content = file.content
        path = self._path(content.sha256)
        with suppress(FileExistsError):
            path.parent.mkdir(mode=0o700)
            self._lasting.discard(path.parent)
        if not path.exists():
            file.move(path)
        # Also where the file was there: whoever made it may not have come so far yet.
        _sync_directory(path.parent)
        self._make_lasting(path.parent)
        return content

    def _make_lasting(self, directory: Path) -> None:
        """For once: whoever made the directory may not have come so far."""
        if directory not in self._lasting:
            for above in (self._content, self._root):
                _sync_directory(above)
            self._lasting.add(directory)

    def open(self, digest: bytes) -> BinaryIO:
        return self._path(digest).open("rb")

    def delete(self, digest: bytes) -> None:
        with suppress(FileNotFoundError):
            self._path(digest).unlink()

    def digests(self, after: bytes, limit: int) -> Sequence[bytes]:
        return list(islice(self._names(after.hex()), limit))

    def _names(self, after: str) -> Iterator[bytes]:
        for directory in _listed(self._content):
            if directory >= after[: len(directory)]:
                for rest in _listed(self._content / directory):
                    name = directory + rest
                    if name > after and _DIGEST.fullmatch(name):
                        yield bytes.fromhex(name)

    def incoming_file(self) -> BinaryIO:
        return cast(BinaryIO, self._incoming_file())

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

    def _incoming_file(self) -> IncomingFile:
        try:
            return IncomingFile(self._incoming)
        except FileNotFoundError:
            self._make_directories()
            return IncomingFile(self._incoming)

    def _make_directories(self) -> None:
        for directory in (self._root, self._content, self._incoming):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        # Directories of millions of files are slow to list.
        return self._content / name[:2] / name[2:]


def _listed(directory: Path) -> list[str]:
    """Nothing, where there is no such directory."""
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
