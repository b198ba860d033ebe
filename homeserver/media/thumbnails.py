"""Smaller pictures, made when somebody first asks for them.

https://spec.matrix.org/v1.19/client-server-api/#thumbnails
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from config.media import ThumbnailSize
from homeserver.http.endpoint import FileAnswer
from homeserver.media.contents import Contents
from homeserver.media.headers import headers_of
from homeserver.media.lookup import MediaLookup, Wanted
from homeserver.media.pictures.jobs import Job
from homeserver.media.pictures.workers import NoPicture, PictureTooLarge, Workers
from homeserver.media.store.contents import Content
from homeserver.media.store.media import LOCAL, Description
from homeserver.media.store.thumbnails import (
    Thumbnail,
    ThumbnailKey,
    delete_failures,
    insert_failure,
    insert_thumbnail,
    thumbnail_by_key,
)
from homeserver.protocol.errors import RemoteTooLarge, TooLarge, Unknown
from homeserver.runtime.clock import Clock
from homeserver.runtime.shared_calls import SharedCalls
from homeserver.storage.database import Database

log = logging.getLogger(__name__)

_PICTURES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
_LARGEST = 8192  # pixels of a side; no screen shows more
_FAILED_FOR = timedelta(days=1)


class Thumbnails:
    def __init__(
        self,
        lookup: MediaLookup,
        contents: Contents,
        workers: Workers,
        sizes: Sequence[ThumbnailSize],
        db: Database,
        clock: Clock,
    ) -> None:
        """`sizes` are those that are made; without any, every size is."""
        self._lookup = lookup
        self._contents = contents
        self._workers = workers
        self._sizes = sizes
        self._db = db
        self._clock = clock
        self._under_way: SharedCalls[ThumbnailKey, Thumbnail] = SharedCalls()

    async def file(self, wanted: Wanted, job: Job) -> FileAnswer:
        """A thumbnail at least as large as asked for, if the picture is.

        Raises what `MediaLookup.find` does, Unknown for what is no picture, TooLarge or RemoteTooLarge.
        """
        media, source = await self._lookup.find(wanted)
        if media.description.found_type not in _PICTURES:
            raise Unknown("There are thumbnails of JPEG, PNG, WebP and GIF pictures only")
        key = ThumbnailKey(source.sha256, *size_to_make(job, self._sizes))
        try:
            thumbnail = await self._thumbnail(key, source)
        except PictureTooLarge as error:
            kind = TooLarge if media.key.server == LOCAL else RemoteTooLarge
            raise kind("The picture is too large for a thumbnail") from error
        if thumbnail.content is None:
            raise Unknown("No thumbnail can be made of this picture")
        file = await self._contents.open(thumbnail.content)
        headers = headers_of(Description(thumbnail.content_type, None), None)
        return FileAnswer(file, thumbnail.content.length, f'"{thumbnail.content.sha256.hex()}"', headers)

    async def forget_failures(self) -> None:
        """For a task: what could not be done on a bad day may be done on another."""
        before = self._clock.now_ms() - int(_FAILED_FOR.total_seconds() * 1000)
        await self._db.write(delete_failures, before)

    async def _thumbnail(self, key: ThumbnailKey, source: Content) -> Thumbnail:
        thumbnail = await self._db.read(thumbnail_by_key, key)
        if thumbnail is None:
            thumbnail = await self._under_way.run(key, partial(self._make, key, source))
        return thumbnail

    async def _make(self, key: ThumbnailKey, source: Content) -> Thumbnail:
        job = Job(*key[1:])
        with await self._contents.open(source) as picture, await self._contents.temporary_file() as target:
            try:
                content_type = (await self._workers.make(picture, target, job)).content_type
            except NoPicture as error:
                log.info("there is no thumbnail of the content %s: %s", key.source.hex(), error)
                await self._db.write(insert_failure, key, self._clock.now_ms())
                return Thumbnail(None, "")
            record = partial(
                insert_thumbnail, key=key, content_type=content_type, now_ms=self._clock.now_ms()
            )
            return Thumbnail(await self._contents.keep(target, record), content_type)


def size_to_make(job: Job, sizes: Sequence[ThumbnailSize]) -> Job:
    """The smallest of the sizes that is as large as asked for; where none is, the largest doubled until it is.

    So nobody can have a picture made in every size there is.
    """
    able = sorted((size.width, size.height) for size in sizes if size.method == job.method)
    if not able:
        return job._replace(width=min(job.width, _LARGEST), height=min(job.height, _LARGEST))
    for width, height in able:
        if width >= job.width and height >= job.height:
            return job._replace(width=width, height=height)
    width, height = able[-1]
    while (width < job.width or height < job.height) and max(width, height) < _LARGEST:
        width, height = width * 2, height * 2
    return job._replace(width=width, height=height)
