"""Fetching media from other servers.

https://spec.matrix.org/v1.19/server-server-api/#content-repository
"""

from collections.abc import Mapping
from dataclasses import dataclass

from federation.client.multipart import MultipartInvalid, TwoParts
from federation.transport import Call, Query, Transport, path_of
from homeserver.http.outbound import AnswerTooLarge, Bounds, Outbound, RequestFailed, Write
from homeserver.protocol.errors import NotFound, RemoteFailed, TooLarge, Unrecognized
from homeserver.protocol.identifiers import ServerName

# Of the parts around the file.
_ENVELOPE = 128 * 1024
_SLOWEST_BYTES_PER_SECOND = 50_000
_MOST_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class RemoteMedia:
    """What the other server says of a file; nothing of it is to be trusted."""

    content_type: str | None
    content_disposition: str | None


class MediaCalls:
    """Every method raises what `Transport.send` does, TooLarge, and whatever `write` raises."""

    def __init__(self, transport: Transport, outbound: Outbound) -> None:
        """`outbound` follows where servers say that a file is elsewhere."""
        self._transport = transport
        self._outbound = outbound

    async def download(
        self, server_name: ServerName, media_id: str, write: Write, *, most_bytes: int, timeout_ms: int
    ) -> RemoteMedia:
        """The file goes to `write`, piece by piece. `timeout_ms` is how long it may take until it is uploaded."""
        query: Query = {"timeout_ms": timeout_ms}
        path = path_of("/_matrix/federation/v1/media/download/{}", media_id)
        older = path_of("/_matrix/media/v3/download/{}/{}", server_name, media_id)
        return await self._fetch(server_name, path, older, query, write, most_bytes)

    async def thumbnail(
        self,
        server_name: ServerName,
        media_id: str,
        write: Write,
        *,
        width: int,
        height: int,
        method: str | None,
        animated: bool | None,
        most_bytes: int,
        timeout_ms: int,
    ) -> RemoteMedia:
        """A smaller picture, made by the other server."""
        query: Query = {
            "width": width,
            "height": height,
            "method": method,
            "animated": animated,
            "timeout_ms": timeout_ms,
        }
        path = path_of("/_matrix/federation/v1/media/thumbnail/{}", media_id)
        older = path_of("/_matrix/media/v3/thumbnail/{}/{}", server_name, media_id)
        return await self._fetch(server_name, path, older, query, write, most_bytes)

    async def _fetch(
        self, server: ServerName, path: str, older: str, query: Query, write: Write, most_bytes: int
    ) -> RemoteMedia:
        bounds = Bounds(
            seconds=30 + most_bytes / _SLOWEST_BYTES_PER_SECOND,
            body=most_bytes + _ENVELOPE,
            redirects=_MOST_REDIRECTS,
        )
        parts = TwoParts(_at_most(most_bytes, write))
        call = Call(method="GET", path=path, query=query, bounds=bounds, into=parts.feed)
        try:
            await self._transport.send(server, call)
        except Unrecognized:
            return await self._fetch_unsigned(server, older, query, write, bounds)
        except MultipartInvalid as error:
            raise RemoteFailed(f"{server} gave a file that is none: {error}") from error
        if not parts.is_complete:
            raise RemoteFailed(f"{server} gave a file without its end")
        location = parts.headers.get("location")
        return _described(parts.headers) if location is None else await self._follow(location, write, bounds)

    async def _fetch_unsigned(
        self, server: ServerName, path: str, query: Query, write: Write, bounds: Bounds
    ) -> RemoteMedia:
        """As servers gave out files before v1.11 of the specification."""
        call = Call(
            method="GET",
            path=path,
            query={**query, "allow_remote": False},
            bounds=bounds,
            signed=False,
            into=_at_most(bounds.body - _ENVELOPE, write),
        )
        return _described((await self._transport.send(server, call)).headers)

    async def _follow(self, location: str, write: Write, bounds: Bounds) -> RemoteMedia:
        try:
            response = await self._outbound.request(
                "GET", location, purpose="media", bounds=bounds, into=_at_most(bounds.body - _ENVELOPE, write)
            )
        except AnswerTooLarge as error:
            raise TooLarge("The file is too large") from error
        except RequestFailed as error:
            raise RemoteFailed(f"The file is not where its server says: {error}") from error
        if response.status != 200:
            raise NotFound("The file is not where its server says")
        return _described(response.headers)


def _described(headers: Mapping[str, str]) -> RemoteMedia:
    return RemoteMedia(headers.get("content-type"), headers.get("content-disposition"))


def _at_most(most: int, write: Write) -> Write:
    left = most

    def bounded(data: bytes) -> None:
        nonlocal left
        left -= len(data)
        if left < 0:
            raise TooLarge("The file is too large")
        write(data)

    return bounded
