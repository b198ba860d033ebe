"""Other servers that have files, without the network between."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from federation.client.media import MediaCalls, RemoteMedia
from homeserver.media.tests.media import MediaTestCase
from homeserver.protocol.errors import MatrixError, NotFound, RemoteFailed, TooLarge

REMOTE = "/remote.example/abc"


class RemoteMediaTestCase(MediaTestCase):
    """`files` are those of other servers, by server and ID; `asked` is what they were asked for."""

    def setUp(self) -> None:
        super().setUp()
        self.files: dict[tuple[str, str], tuple[bytes, RemoteMedia] | MatrixError] = {}
        self.asked: list[tuple[str, str]] = []
        self.slow: Deferred[None] | None = None
        self.breaks = False

        async def download(
            _: MediaCalls, server: str, media_id: str, write: Callable[[bytes], object], **bounds: Any
        ) -> RemoteMedia:
            self.asked.append((server, media_id))
            if self.slow is not None:
                await self.slow
            answer = self.files.get((server, media_id), NotFound("not here"))
            if isinstance(answer, MatrixError):
                raise answer
            content, described = answer
            if len(content) > bounds["most_bytes"]:
                raise TooLarge("too large")
            for start in range(0, len(content), 1000):
                write(content[start : start + 1000])
            if self.breaks:
                raise RemoteFailed("the end never came")
            return described

        self.patch(MediaCalls, "download", download)

    def serve(
        self,
        content: bytes,
        content_type: str | None = "image/png",
        disposition: str | None = None,
        path: str = REMOTE,
    ) -> str:
        """Another server has a file; the path of it below the download endpoints."""
        _, server, media_id = path.split("/")
        self.files[server, media_id] = (content, RemoteMedia(content_type, disposition))
        return path
