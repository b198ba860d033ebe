"""Server-server API: files of this server's users.

https://spec.matrix.org/v1.19/server-server-api/#content-repository
"""

from typing import Annotated, Literal

import msgspec

from homeserver.accounts.domains import LocalDomains
from homeserver.http.endpoint import Auth, FileAnswer, Limit, endpoint
from homeserver.media.downloads import Downloads
from homeserver.media.lookup import Wanted
from homeserver.media.multipart import multipart
from homeserver.media.pictures.jobs import Job
from homeserver.media.thumbnails import Thumbnails
from homeserver.runtime.randomness import Randomness


class MediaQuery(msgspec.Struct):
    """`timeout_ms`: how long the other server waits for what is to be uploaded yet."""

    timeout_ms: Annotated[int, msgspec.Meta(ge=0)] = 20_000


class ThumbnailQuery(MediaQuery, kw_only=True):
    """The size wished for, in pixels."""

    width: Annotated[int, msgspec.Meta(ge=1)]
    height: Annotated[int, msgspec.Meta(ge=1)]
    method: Literal["crop", "scale"] = "scale"
    animated: bool = False


class FederationMediaEndpoints:
    def __init__(
        self, downloads: Downloads, thumbnails: Thumbnails, domains: LocalDomains, randomness: Randomness
    ) -> None:
        self._downloads = downloads
        self._thumbnails = thumbnails
        self._domains = domains
        self._randomness = randomness

    @endpoint(
        "GET",
        "/_matrix/federation/v1/media/download/{media_id}",
        auth=Auth.SERVER,
        limit=Limit.FEDERATION,
        waits=True,
    )
    async def download(self, media_id: str, query: MediaQuery) -> FileAnswer:
        """A file of a user of this server."""
        return multipart(await self._downloads.file(self._wanted(media_id, query)), self._randomness)

    @endpoint(
        "GET",
        "/_matrix/federation/v1/media/thumbnail/{media_id}",
        auth=Auth.SERVER,
        limit=Limit.FEDERATION,
        waits=True,
    )
    async def thumbnail(self, media_id: str, query: ThumbnailQuery) -> FileAnswer:
        """A smaller picture of one of a user of this server."""
        job = Job(query.width, query.height, query.method, query.animated)
        return multipart(await self._thumbnails.file(self._wanted(media_id, query), job), self._randomness)

    def _wanted(self, media_id: str, query: MediaQuery) -> Wanted:
        return Wanted(
            server_name=self._domains.default,
            media_id=media_id,
            timeout_ms=query.timeout_ms,
            allow_remote=False,
        )
