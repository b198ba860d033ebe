"""The file that holds the server's signing key: one line, as Synapse writes it."""

import os
from pathlib import Path

from homeserver.protocol.signing import SigningKey, format_key_file, parse_key_file
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.refusal import Refusal


class KeyFileError(Refusal):
    """The key file cannot be read or made."""


def read_key_file(path: Path) -> SigningKey:
    """Raises KeyFileError where there is no key in the file."""
    try:
        return parse_key_file(path.read_text(encoding="ascii"))
    except FileNotFoundError as error:
        raise KeyFileError(
            f"There is no signing key {path}. Restore it from a backup, or correct signing_key_path."
        ) from error
    except OSError as error:
        raise KeyFileError(f"The signing key {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        # An error of decoding would show bytes of the file, which may be a secret of some kind.
        reason = "it is not text" if isinstance(error, UnicodeDecodeError) else error
        raise KeyFileError(
            f"The signing key {path} cannot be used: {reason}. Restore it from a backup."
        ) from error


def ensure_key_file(path: Path, randomness: Randomness) -> bool:
    """Makes a key, for the owner's eyes only, unless there is one; True if it did. Never overwrites.

    Raises KeyFileError where the file holds something else, or cannot be written.
    """
    key = SigningKey(f"a_{randomness.token(4)}", randomness.bytes(32))
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        read_key_file(path)
        return False
    except OSError as error:
        raise KeyFileError(f"The signing key {path} cannot be written: {error.strerror}.") from error
    with os.fdopen(file, "w", encoding="ascii") as stream:
        stream.write(format_key_file(key))
        stream.flush()
        # Events signed with a key that a power cut took away could never be verified.
        os.fsync(stream.fileno())
    return True
