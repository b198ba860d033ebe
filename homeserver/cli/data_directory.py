"""The directory where the server keeps everything that it makes."""

import os
from pathlib import Path

from homeserver.runtime.refusal import Refusal

_ADVICE = "Change its owner, or name another directory with --data-dir."


def make_data_directory(path: Path) -> None:
    """Makes it for its owner alone, unless it is there. Raises Refusal where it cannot be written to."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise Refusal(f"{path} is not a directory. Name another with --data-dir.") from error
    except OSError as error:
        raise Refusal(f"The data directory {path} cannot be made: {error.strerror}. {_ADVICE}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise Refusal(f"Nothing can be written into the data directory {path}. {_ADVICE}")


def write_new(path: Path, text: str) -> None:
    """Writes a file for its owner's eyes only; raises FileExistsError rather than overwrite one."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
