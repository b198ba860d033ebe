"""The bytes of files, from their coming to their end."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import BinaryIO, TypeVar

from homeserver.media.storage import Storage
from homeserver.media.store.contents import (
    BeingRemoved,
    Content,
    begin_removal,
    end_removal,
    mark_unknown,
    mark_unused,
)
from homeserver.protocol.errors import NotFound
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.threads import Threads
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

log = logging.getLogger(__name__)

T = TypeVar("T")

_REMOVED_AT_ONCE = 100
# What was unused for a moment only need not be stored again.
_KEPT_UNUSED_MS = 3600 * 1000
_ABANDONED_AFTER = timedelta(days=1)  # no upload takes so long
_NEXT_LOOK = 1.0
_LOOKED_AT_ONCE, _LOOKS_IN_A_RUN = 500, 10


class Contents:
    """What files consist of. No content is without something in the database that knows of it, but for crashes."""

    def __init__(
        self, db: Database, storage: Storage, threads: Threads, clock: Clock, randomness: Randomness
    ) -> None:
        """`threads` are those in which `storage` may block."""
        self._db = db
        self._storage = storage
        self._threads = threads
        self._clock = clock
        # Anywhere, so that servers that are often started anew do not always look at the same.
        self._looked_upto = randomness.bytes(32)

    async def incoming_file(self) -> BinaryIO:
        """For a content as it comes, one piece after the other. It is gone when it is closed."""
        return await self._threads.run(self._storage.incoming_file)

    async def temporary_file(self) -> BinaryIO:
        """For a content that another process writes. It is gone when it is closed."""
        return await self._threads.run(self._storage.temporary_file)

    async def keep(self, source: BinaryIO, record: Callable[[Transaction, Content], T]) -> T:
        """Stores all that is in `source`; `record` writes down what refers to it, and may refuse to.

        It is safe on the disk before that. Raises what `record` raises.
        """
        while True:
            source.seek(0)
            content = await self._threads.run(self._storage.store, source)
            try:
                return await self._db.write(record, content)
            except BeingRemoved:
                await self._clock.sleep(_NEXT_LOOK)
            except Exception:
                await self._db.write(mark_unused, content.sha256, self._clock.now_ms())
                raise

    async def open(self, content: Content) -> BinaryIO:
        """Raises NotFound where the store has lost it."""
        try:
            return await self._threads.run(self._storage.open, content.sha256)
        except FileNotFoundError as error:
            log.error("the media store has lost the content %s", content.sha256.hex())
            raise NotFound("The content is not there any more") from error

    async def find_unknown(self) -> None:
        """For a task: goes on through the store, for contents that a crash kept from being written down."""
        for _ in range(_LOOKS_IN_A_RUN):
            digests = await self._threads.run(self._storage.digests, self._looked_upto, _LOOKED_AT_ONCE)
            if not digests:
                self._looked_upto = b""
                return
            # Should one of them be on its way into the database just now, that takes it back.
            unknown = await self._db.write(mark_unknown, digests, self._clock.now_ms())
            if unknown:
                log.warning("%d contents of the media store are unknown and will be removed", unknown)
            self._looked_upto = digests[-1]

    async def remove_unused(self) -> None:
        """For a task: contents to which nothing refers, and the remains of uploads that were cut off."""
        while True:
            now_ms = self._clock.now_ms()
            unused = await self._db.write(begin_removal, now_ms - _KEPT_UNUSED_MS, now_ms, _REMOVED_AT_ONCE)
            for sha256 in unused:
                await self._threads.run(self._storage.delete, sha256)
            await self._db.write(end_removal, unused, now_ms)
            if len(unused) < _REMOVED_AT_ONCE:
                break
        before = self._clock.seconds() - _ABANDONED_AFTER.total_seconds()
        await self._threads.run(self._storage.delete_abandoned, before)
