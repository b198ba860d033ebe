"""Taking files away from everybody, without losing them."""

import re
from collections.abc import Iterable, Iterator

from homeserver.accounts.domains import LocalDomains
from homeserver.media.store.media import LOCAL, MediaKey
from homeserver.media.store.quarantine import (
    protect_media,
    quarantine_contents,
    quarantine_media,
    quarantine_uploads,
    release_media,
)
from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import UserID
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database

_URI = re.compile(r"mxc://([^/]+)/([A-Za-z0-9_-]+)")


class Quarantine:
    """What is in quarantine is a content: every file that has it is, and every one that will have it.

    `by` is the administrator who says so. What is put in quarantine is counted, without what was there already.
    """

    def __init__(self, db: Database, domains: LocalDomains, clock: Clock) -> None:
        self._db = db
        self._domains = domains
        self._clock = clock

    async def add(self, uris: Iterable[str], by: UserID) -> int:
        """Files by their mxc:// URIs, such as all that were shared in a room; what is not here is passed over."""
        return await self._db.write(quarantine_media, list(self._keys(uris)), by, self._clock.now_ms())

    async def add_uploads(self, uploader: int, by: UserID) -> int:
        """All files of a user, by the short id."""
        return await self._db.write(quarantine_uploads, uploader, by, self._clock.now_ms())

    async def add_contents(self, contents: Iterable[bytes], by: UserID) -> int:
        """Contents by their SHA-256, even those that nobody has uploaded yet."""
        return await self._db.write(quarantine_contents, list(contents), by, self._clock.now_ms())

    async def release(self, uri: str) -> None:
        """Gives a file back, and all that have the same content."""
        for key in self._keys([uri]):
            await self._db.write(release_media, key)

    async def protect(self, media_id: str, *, is_protected: bool) -> None:
        """Whether a file of this server stays whatever is put in quarantine. Raises NotFound."""
        if not await self._db.write(protect_media, media_id, is_protected=is_protected):
            raise NotFound("There is no such content")

    def _keys(self, uris: Iterable[str]) -> Iterator[MediaKey]:
        for uri in uris:
            match = _URI.fullmatch(uri)
            if match is not None:
                yield MediaKey(LOCAL if self._domains.speaks_for(match[1]) else match[1], match[2])
