"""Uploading and downloading, as the tests of media do it."""

from typing import Any

from tests.client import Answer
from tests.wire import WireClient, WireTestCase

CONTENT = b"\x89PNG and so on"
DOWNLOAD = "/_matrix/client/v1/media/download"
FROZEN_DOWNLOAD = "/_matrix/media/v3/download"


def upload(
    user: WireClient, content: bytes = CONTENT, content_type: str | None = "image/png", **query: str
) -> Answer:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return user.request("POST", "/_matrix/media/v3/upload", content, query=query, headers=headers)


def path_of(uri: str) -> str:
    """Of a file below the download endpoints."""
    return "/" + uri.removeprefix("mxc://")


class MediaTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")

    def uploaded(self, content: bytes = CONTENT, content_type: str | None = "image/png", **query: str) -> str:
        """The path of a new file below the download endpoints."""
        return path_of(upload(self.alice, content, content_type, **query)["content_uri"])

    def download(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> Answer:
        return self.alice.request("GET", DOWNLOAD + path, headers=headers, query=query)

    def stored_files(self) -> list[str]:
        """The names of all files in the media store."""
        return sorted(
            str(path.relative_to(self.media_store)) for path in self.media_store.rglob("*") if path.is_file()
        )
