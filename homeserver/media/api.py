"""Client API: the content repository.

https://spec.matrix.org/v1.19/client-server-api/#content-repository
"""

from dataclasses import replace
from operator import attrgetter
from typing import Annotated, Literal

import msgspec

from homeserver.http.endpoint import Answer, Auth, Caller, FileAnswer, Limit, Upload, endpoint
from homeserver.http.requester import Requester
from homeserver.media.downloads import Downloads
from homeserver.media.lookup import Wanted
from homeserver.media.pictures.jobs import Job
from homeserver.media.thumbnails import Thumbnails
from homeserver.media.uploads import Uploads
from homeserver.protocol.json import JsonObject
from homeserver.templates.pages import Pages

LIMIT_PAGE = "/_synapse/client/media_upload_limit_exceeded"
_LARGEST = attrgetter("max_upload_size")
_DOWNLOAD = "/_matrix/client/v1/media/download/{server_name}/{media_id}"
_FROZEN_DOWNLOAD = "/_matrix/media/(v3|r0|v1)/download/{server_name}/{media_id}"


class UploadQuery(msgspec.Struct):
    # NUL is no text for PostgreSQL.
    filename: Annotated[str, msgspec.Meta(max_length=1000, pattern=r"^[^\x00]*$")] | None = None


class DownloadQuery(msgspec.Struct):
    """`timeout_ms`: how long the client waits for what is to be uploaded yet."""

    timeout_ms: Annotated[int, msgspec.Meta(ge=0)] = 20_000


class FrozenDownloadQuery(DownloadQuery):
    """`allow_remote`: whether another server may be asked."""

    allow_remote: bool = True


class ThumbnailQuery(DownloadQuery, kw_only=True):
    """The size wished for, in pixels."""

    width: Annotated[int, msgspec.Meta(ge=1)]
    height: Annotated[int, msgspec.Meta(ge=1)]
    method: Literal["crop", "scale"] = "scale"
    animated: bool = False

    @property
    def job(self) -> Job:
        return Job(self.width, self.height, self.method, self.animated)


class FrozenThumbnailQuery(ThumbnailQuery):
    """`allow_remote`: whether another server may be asked."""

    allow_remote: bool = True


class Uploaded(msgspec.Struct):
    content_uri: str


class Created(msgspec.Struct):
    content_uri: str
    unused_expires_at: int


class MediaConfig(msgspec.Struct):
    upload_size: int = msgspec.field(name="m.upload.size")


class UploadEndpoints:
    def __init__(self, uploads: Uploads, max_upload_size: int) -> None:
        """`max_upload_size` is in bytes."""
        self._uploads = uploads
        self.max_upload_size = max_upload_size

    @endpoint("POST", "/_matrix/media/(v3|r0|v1)/upload", auth=Auth.USER, limit=Limit.NONE, max_body=_LARGEST)
    async def upload(self, requester: Requester, upload: Upload, query: UploadQuery) -> Uploaded:
        """Stores a file."""
        return Uploaded(await self._uploads.upload(requester, upload, query.filename))

    @endpoint("POST", "/_matrix/media/v1/create", auth=Auth.USER, limit=Limit.MEDIA_CREATE)
    async def create(self, requester: Requester) -> Created:
        """Makes a URI for a file that is uploaded later."""
        return Created(*await self._uploads.reserve(requester))

    @endpoint(
        "PUT",
        "/_matrix/media/v3/upload/{server_name}/{media_id}",
        auth=Auth.USER,
        limit=Limit.NONE,
        max_body=_LARGEST,
    )
    async def fill(
        self, requester: Requester, server_name: str, media_id: str, upload: Upload, query: UploadQuery
    ) -> JsonObject:
        """Stores the file of a URI that was made before."""
        await self._uploads.fill(requester, server_name, media_id, upload, query.filename)
        return {}

    @endpoint(
        "GET",
        "/_matrix/client/v1/media/config",
        "/_matrix/media/(v3|r0|v1)/config",
        auth=Auth.GUEST,
        limit=Limit.NONE,
    )
    async def config(self) -> MediaConfig:
        """What may be uploaded."""
        return MediaConfig(self.max_upload_size)


class UploadLimitEndpoints:
    """Where `M_USER_LIMIT_EXCEEDED` sends users for whom the operator has no page."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    # COMPAT(synapse): the path.
    @endpoint("GET", LIMIT_PAGE, auth=Auth.NONE, limit=Limit.NONE)
    async def page(self) -> Answer:
        """Says what it means that one has uploaded too much."""
        return self._pages.message(
            "Upload limit reached",
            "You have uploaded as much as the administrators of this server allow in a certain time."
            " Try again later, or ask them for more.",
        )


class DownloadEndpoints:
    def __init__(self, downloads: Downloads, *, frozen: bool) -> None:
        """`frozen`: whether clients without a token get only what came here while none was needed."""
        self._downloads = downloads
        self._frozen = frozen

    @endpoint("GET", _DOWNLOAD, auth=Auth.GUEST, limit=Limit.NONE, waits=True)
    async def download(
        self, caller: Caller, server_name: str, media_id: str, query: DownloadQuery
    ) -> FileAnswer:
        """A file."""
        return await self._downloads.file(_wanted(caller, server_name, media_id, query))

    @endpoint("GET", _DOWNLOAD + "/{file_name}", auth=Auth.GUEST, limit=Limit.NONE, waits=True)
    async def download_as(
        self, caller: Caller, server_name: str, media_id: str, file_name: str, query: DownloadQuery
    ) -> FileAnswer:
        """A file, under the name that the client gives it."""
        return await self._downloads.file(_wanted(caller, server_name, media_id, query), file_name)

    @endpoint("GET", _FROZEN_DOWNLOAD, auth=Auth.NONE, limit=Limit.NONE, waits=True)
    async def frozen_download(
        self, caller: Caller, server_name: str, media_id: str, query: FrozenDownloadQuery
    ) -> FileAnswer:
        """A file, for clients that send no token."""
        return await self._downloads.file(self._frozen_wanted(caller, server_name, media_id, query))

    @endpoint("GET", _FROZEN_DOWNLOAD + "/{file_name}", auth=Auth.NONE, limit=Limit.NONE, waits=True)
    async def frozen_download_as(
        self, caller: Caller, server_name: str, media_id: str, file_name: str, query: FrozenDownloadQuery
    ) -> FileAnswer:
        """A file under the name that the client gives it, for clients that send no token."""
        return await self._downloads.file(
            self._frozen_wanted(caller, server_name, media_id, query), file_name
        )

    def _frozen_wanted(
        self, caller: Caller, server_name: str, media_id: str, query: FrozenDownloadQuery
    ) -> Wanted:
        wanted = _wanted(caller, server_name, media_id, query)
        return replace(wanted, frozen=self._frozen, allow_remote=query.allow_remote)


class ThumbnailEndpoints:
    def __init__(self, thumbnails: Thumbnails, *, frozen: bool) -> None:
        """`frozen`: as of `DownloadEndpoints`."""
        self._thumbnails = thumbnails
        self._frozen = frozen

    @endpoint(
        "GET",
        "/_matrix/client/v1/media/thumbnail/{server_name}/{media_id}",
        auth=Auth.GUEST,
        limit=Limit.NONE,
        waits=True,
    )
    async def thumbnail(
        self, caller: Caller, server_name: str, media_id: str, query: ThumbnailQuery
    ) -> FileAnswer:
        """A smaller picture."""
        return await self._thumbnails.file(_wanted(caller, server_name, media_id, query), query.job)

    @endpoint(
        "GET",
        "/_matrix/media/(v3|r0|v1)/thumbnail/{server_name}/{media_id}",
        auth=Auth.NONE,
        limit=Limit.NONE,
        waits=True,
    )
    async def frozen_thumbnail(
        self, caller: Caller, server_name: str, media_id: str, query: FrozenThumbnailQuery
    ) -> FileAnswer:
        """A smaller picture, for clients that send no token."""
        wanted = _wanted(caller, server_name, media_id, query)
        wanted = replace(wanted, frozen=self._frozen, allow_remote=query.allow_remote)
        return await self._thumbnails.file(wanted, query.job)


def _wanted(caller: Caller, server_name: str, media_id: str, query: DownloadQuery) -> Wanted:
    return Wanted(
        server_name=server_name, media_id=media_id, timeout_ms=query.timeout_ms, address=caller.address
    )
