"""Pictures that pages name, kept here, so that the pages do not learn who looks at them."""

from functools import partial
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from homeserver.accounts.domains import LocalDomains
from homeserver.http.outbound import Bounds, Outbound
from homeserver.media.contents import Contents
from homeserver.media.inspection import Inspection
from homeserver.media.pictures.jobs import Job
from homeserver.media.pictures.workers import NoPicture, PictureTooLarge, Workers
from homeserver.media.reopening import reopened
from homeserver.media.store.contents import Content
from homeserver.media.store.media import LOCAL, Description, MediaKey, NewMedia, insert_media
from homeserver.protocol.json import JsonObject
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.storage.engine import Transaction

_ID_LENGTH = 24
# All that is wanted is how large it is, which is told with a thumbnail of any size.
_MEASURE = Job(32, 32, "scale", animated=False)


class PreviewPictures:
    def __init__(
        self,
        outbound: Outbound,
        contents: Contents,
        inspection: Inspection,
        workers: Workers,
        domains: LocalDomains,
        clock: Clock,
        randomness: Randomness,
        *,
        is_authenticated: bool,
    ) -> None:
        self._outbound = outbound
        self._contents = contents
        self._inspection = inspection
        self._workers = workers
        self._domains = domains
        self._clock = clock
        self._randomness = randomness
        self._is_authenticated = is_authenticated

    async def tags(self, url: str, bounds: Bounds) -> JsonObject:
        """Open Graph tags of a picture, which is fetched; none where it is none.

        Raises RequestFailed, Forbidden, ServerUnavailable.
        """
        with await self._contents.incoming_file() as file:
            response = await self._outbound.request(
                "GET", url, purpose="preview", bounds=bounds, into=file.write
            )
            if response.status != 200:
                return {}
            return await self._kept(file)

    async def _kept(self, file: BinaryIO) -> JsonObject:
        description = await self._inspection.inspect(file, Description("", None))
        found_type = description.found_type or ""
        if not found_type.startswith("image/"):
            return {}
        size = await self._size(file)
        key = MediaKey(LOCAL, self._randomness.token(_ID_LENGTH))
        description = description._replace(content_type=found_type)
        new = NewMedia(key, None, description, self._is_authenticated, is_preview=True)
        content = await self._contents.keep(file, partial(_record, new=new, now_ms=self._clock.now_ms()))
        return {
            "og:image": f"mxc://{self._domains.default}/{key.media_id}",
            "og:image:type": found_type,
            "matrix:image:size": content.length,
            **size,
        }

    async def _size(self, file: BinaryIO) -> JsonObject:
        with reopened(file) as picture, TemporaryFile() as unwanted:
            try:
                made = await self._workers.make(picture, cast(BinaryIO, unwanted), _MEASURE)
            except (NoPicture, PictureTooLarge):
                return {}
        return {"og:image:width": made.width, "og:image:height": made.height}


def _record(txn: Transaction, content: Content, new: NewMedia, now_ms: int) -> Content:
    insert_media(txn, content, new, now_ms)
    return content
