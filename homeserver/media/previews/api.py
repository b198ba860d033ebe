"""Client API: previews of web pages.

https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1mediapreview_url
"""

import msgspec

from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.media.previews.previews import Previews


class PreviewQuery(msgspec.Struct):
    """`ts` is the time of which the client wishes a preview; there is only that of now."""

    url: str
    ts: int | None = None


class PreviewEndpoints:
    def __init__(self, previews: Previews) -> None:
        self._previews = previews

    @endpoint(
        "GET",
        "/_matrix/client/v1/media/preview_url",
        "/_matrix/media/(v3|r0|v1)/preview_url",
        auth=Auth.USER,
        limit=Limit.NONE,
        waits=True,
    )
    async def preview(self, query: PreviewQuery) -> msgspec.Raw:
        """What a web page says of itself."""
        return msgspec.Raw(await self._previews.preview(query.url))
