"""Giving a file to another process."""

import io
import shutil
from tempfile import TemporaryFile
from typing import BinaryIO, cast


def reopened(file: BinaryIO) -> BinaryIO:
    """The same content from its start, in a file with a descriptor of its own.

    A process moves the position in what it is given, of which our buffers would know nothing.
    """
    if not isinstance(file, io.BytesIO):
        file.flush()
        return open(f"/proc/self/fd/{file.fileno()}", "rb")
    file.seek(0)
    copy = cast(BinaryIO, TemporaryFile())  # noqa: SIM115 -- whoever asked closes it
    shutil.copyfileobj(file, copy)
    copy.seek(0)
    return copy
