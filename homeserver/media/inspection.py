"""Looking into files before they are kept: what they are, and whether the operator's scanner lets them pass."""

import logging
import subprocess
from collections.abc import Sequence
from typing import BinaryIO

from homeserver.media.magic import LONGEST_MAGIC, type_of
from homeserver.media.reopening import reopened
from homeserver.media.store.media import Description
from homeserver.protocol.errors import Forbidden, ServerUnavailable
from homeserver.runtime.threads import Threads

log = logging.getLogger(__name__)

_REFUSED = 1


class Inspection:
    def __init__(self, threads: Threads, command: Sequence[str], seconds: float) -> None:
        """`command` is the scanner and its arguments, or nothing; `seconds`, how long it may take."""
        self._threads = threads
        self._command = command
        self._seconds = seconds

    async def inspect(self, file: BinaryIO, description: Description) -> Description:
        """The description with what the content shows itself to be.

        Raises Forbidden where the scanner refuses the file, ServerUnavailable where it does not judge it.
        """
        return await self._threads.run(self._inspect, file, description)

    def _inspect(self, file: BinaryIO, description: Description) -> Description:
        file.flush()
        file.seek(0)
        found_type = type_of(file.read(LONGEST_MAGIC))
        if self._command:
            self._scan(file)
        return description._replace(found_type=found_type)

    def _scan(self, file: BinaryIO) -> None:
        with reopened(file) as source:
            exit_code = self._exit_code(source)
        if exit_code == _REFUSED:
            raise Forbidden("The content scanner of this server has refused this file")
        if exit_code:
            raise ServerUnavailable("The content scanner of this server cannot judge this file at the moment")

    def _exit_code(self, source: BinaryIO) -> int:
        """Neither 0 nor 1 where the scanner failed, which is logged."""
        try:
            done = subprocess.run(
                self._command, stdin=source, capture_output=True, timeout=self._seconds, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            log.error("the content scanner failed: %s", error)
            return -1
        if done.returncode not in (0, _REFUSED):
            said = done.stderr[-1000:].decode("utf-8", "replace").strip()
            log.error("the content scanner ended with exit code %d: %s", done.returncode, said)
        return done.returncode
