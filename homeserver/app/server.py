"""The server as a whole: started and stopped once."""

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, BinaryIO

from twisted.internet.task import LoopingCall

from config.errors import ConfigError
from homeserver.app.core import Contribution, Core
from homeserver.http.dispatch import Dispatcher
from homeserver.http.listeners import Listeners
from homeserver.http.site import LARGEST_BODY
from homeserver.runtime.tasks import start as start_task
from homeserver.storage.engine import DatabaseUnavailable

log = logging.getLogger(__name__)
_DRAIN_SECONDS = 10


class Server:
    """A server that can be started and stopped once."""

    def __init__(
        self,
        core: Core,
        dispatcher: Dispatcher,
        starts: Sequence[Callable[[int], None]],
        parts: Sequence[Contribution],
        body_file: Callable[[], BinaryIO],
    ) -> None:
        self.dispatcher = dispatcher
        self.db = core.db
        self._core = core
        self._starts = starts
        self._parts = parts
        self._running: list[LoopingCall] = []
        config = core.config
        self.listeners = Listeners(
            core.around.reactor,
            dispatcher,
            config.all_listeners,
            config.tls,
            metrics=config.metrics.enabled,
            largest_body=max(LARGEST_BODY, *(endpoint.max_body for endpoint in dispatcher.endpoints)),
            body_file=body_file,
        )

    async def start(self) -> None:
        """Reads where the journal stands and starts the background tasks. Listens to nobody yet."""
        await self._core.journal.start(self._starts)
        tasks = [task for part in self._parts for task in part.tasks]
        self._running = [start_task(task, self._core.clock) for task in tasks]

    def listen(self) -> None:
        """Opens the listeners. Raises ListenError, CertificateError."""
        self.listeners.open()

    def renew(self) -> None:
        """Reads again what may change while the server runs; what cannot be used is told in the log."""
        for part in self._parts:
            for renew in part.renewals:
                try:
                    renew()
                except ConfigError as error:
                    log.error("%s; all stays as it was", error)

    async def stop(self) -> None:
        """Lets every request have its answer, long polls an early one, and closes the database."""
        await self.listeners.close()
        for task in self._running:
            task.stop()
        self._core.waiting.close()
        if not await self.listeners.drain(_DRAIN_SECONDS):
            log.warning("some requests did not end within %d seconds", _DRAIN_SECONDS)
        for part in self._parts:
            for end in part.endings:
                await _at_the_end(end)
        self._core.password_threads.stop()
        await self._core.outbound.close()
        await self._core.db.close()


async def _at_the_end(store: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """What cannot be stored now is lost; the server ends nevertheless."""
    try:
        await store()
    except DatabaseUnavailable as error:
        log.error("not everything could be stored at the end: %s", error)
