"""Which failures are the operator's to mend, and so are told in words instead of a traceback."""

from collections.abc import Sequence

from config.errors import ConfigError
from homeserver.protocol.errors import MatrixError
from homeserver.runtime.refusal import Refusal
from homeserver.storage.engine import StorageError


def explained(error: Exception) -> Sequence[str] | None:
    """The lines for the operator, or None where the failure is a defect of the program."""
    if isinstance(error, Refusal | ConfigError | StorageError | MatrixError):
        return str(error).splitlines()
    if isinstance(error, OSError) and error.filename is not None:
        return [f"{error.filename}: {error.strerror}"]
    return None
