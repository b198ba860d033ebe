"""Looking at web pages for users who would follow a link."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from hashlib import sha256
from urllib.parse import urldefrag, urljoin, urlsplit

from config.previews import Previews as PreviewSettings
from homeserver.http.outbound import Bounds, Outbound, RequestFailed, Response
from homeserver.media.previews.pages import Page, read_page, text_of
from homeserver.media.previews.pictures import PreviewPictures
from homeserver.media.previews.providers import OembedProviders
from homeserver.media.store.previews import delete_previews, preview_by_url, put_preview
from homeserver.protocol.errors import Forbidden, InvalidParam, MatrixError, RemoteFailed
from homeserver.protocol.json import JsonObject, encode_json
from homeserver.runtime.clock import Clock
from homeserver.runtime.shared_calls import SharedCalls
from homeserver.runtime.threads import Threads
from homeserver.storage.database import Database

_SECONDS = 10.0
_MOST_REDIRECTS = 5
_LARGEST_OEMBED = 256 * 1024
_KEPT_FOR = timedelta(hours=1)
_LONGEST_URL = 8192
# https://oembed.com/#section2.3
_OEMBED_TAGS = (("title", "og:title"), ("provider_name", "og:site_name"), ("author_name", "og:author"))


class Previews:
    """Each page is looked at once an hour at most, however many ask for it."""

    def __init__(
        self,
        outbound: Outbound,
        pictures: PreviewPictures,
        threads: Threads,
        providers: OembedProviders,
        settings: PreviewSettings,
        db: Database,
        clock: Clock,
    ) -> None:
        """`outbound` goes to no address that the operator forbids; in `threads` pages are read."""
        self._outbound = outbound
        self._pictures = pictures
        self._threads = threads
        self._providers = providers
        self._db = db
        self._clock = clock
        self._blocked = settings.url_blocklist
        self._bounds = Bounds(seconds=_SECONDS, body=settings.max_spider_size, redirects=_MOST_REDIRECTS)
        self._headers = {"Accept-Language": languages(settings.accept_language)}
        self._under_way: SharedCalls[bytes, bytes] = SharedCalls()

    async def preview(self, url: str) -> bytes:
        """What the page says of itself, as a JSON object, which may be empty.

        Raises InvalidParam for what is no URL of a page, Forbidden where the operator does not want it looked at,
        RemoteFailed where it cannot be.
        """
        url, _ = urldefrag(url)
        self._check(url)
        key = sha256(url.encode()).digest()
        known = await self._db.read(preview_by_url, key, self._clock.now_ms() - _milliseconds(_KEPT_FOR))
        return known or await self._under_way.run(key, partial(self._look, key, url))

    async def forget_old(self) -> None:
        """For a task."""
        await self._db.write(delete_previews, self._clock.now_ms() - _milliseconds(_KEPT_FOR))

    async def _look(self, key: bytes, url: str) -> bytes:
        preview = encode_json(await self._by_provider(url) or await self._by_page(url))
        await self._db.write(put_preview, key, preview, self._clock.now_ms())
        return preview

    async def _by_provider(self, url: str) -> JsonObject:
        """Nothing, unless somebody is known who can tell of the page."""
        question = self._providers.question(url)
        if question is None:
            return {}
        oembed = await self._oembed(url, question)
        tags: JsonObject = await self._threads.run(_tags_of_oembed, oembed)
        image = _image_of_oembed(oembed)
        return tags if image is None else {**tags, **await self._picture(url, image)}

    async def _by_page(self, url: str) -> JsonObject:
        try:
            response = await self._get(url, "text/html, image/*;q=0.9, */*;q=0.1", self._bounds)
        except RequestFailed as error:
            raise RemoteFailed(f"The page cannot be looked at: {error}") from error
        if response.status != 200:
            raise RemoteFailed(f"The page cannot be looked at: its server says {response.status}")
        return await self._told(response)

    async def _told(self, response: Response) -> JsonObject:
        content_type = response.headers.get("content-type", "")
        kind = content_type.partition(";")[0].strip().lower()
        if kind.startswith("image/"):
            return await self._picture(response.url, response.url)
        if kind not in ("text/html", "application/xhtml+xml"):
            return {}
        page: Page = await self._threads.run(read_page, response.body, content_type)
        tags: JsonObject = dict(page.tags)
        image = page.image
        if page.oembed is not None:
            oembed = await self._oembed(response.url, page.oembed)
            tags = {**await self._threads.run(_tags_of_oembed, oembed), **tags}
            image = image or _image_of_oembed(oembed)
        return tags if image is None else {**tags, **await self._picture(response.url, image)}

    async def _picture(self, page: str, url: str) -> JsonObject:
        """A page without its picture is better than none."""
        try:
            url = urljoin(page, url)
            self._check(url)
            return await self._pictures.tags(url, self._bounds)
        except (RequestFailed, MatrixError, ValueError):
            return {}

    async def _oembed(self, page: str, url: str) -> JsonObject:
        """https://oembed.com/"""
        try:
            url = urljoin(page, url)
            self._check(url)
            bounds = Bounds(seconds=_SECONDS, body=_LARGEST_OEMBED, redirects=_MOST_REDIRECTS)
            response = await self._get(url, "application/json", bounds)
            told = response.json() if response.status == 200 else None
        except (RequestFailed, MatrixError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    async def _get(self, url: str, accept: str, bounds: Bounds) -> Response:
        headers = {"Accept": accept, **self._headers}
        return await self._outbound.request("GET", url, purpose="preview", headers=headers, bounds=bounds)

    def _check(self, url: str) -> None:
        """Raises InvalidParam, Forbidden."""
        try:
            parts = urlsplit(url)
            is_page = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_page = False
        if not is_page or len(url) > _LONGEST_URL or not url.isprintable() or " " in url:
            raise InvalidParam("This is not the URL of a web page")
        if any(pattern.matches(url) for pattern in self._blocked):
            raise Forbidden("The administrators of this server do not want this page looked at")


def languages(wanted: Sequence[str]) -> str:
    """As a header, the first one preferred: https://www.rfc-editor.org/rfc/rfc9110#field.accept-language"""
    return ", ".join(
        language if ";" in language or index == 0 else f"{language};q={max(1 - index / 10, 0.1):.1f}"
        for index, language in enumerate(wanted)
    )


def _tags_of_oembed(oembed: JsonObject) -> JsonObject:
    tags: JsonObject = {
        tag: value[:1000]
        for name, tag in _OEMBED_TAGS
        if isinstance(value := oembed.get(name), str) and value
    }
    markup = oembed.get("html")
    if oembed.get("type") == "rich" and isinstance(markup, str) and (text := text_of(markup)):
        tags["og:description"] = text
    return tags


def _image_of_oembed(oembed: JsonObject) -> str | None:
    image = oembed.get("thumbnail_url") or (oembed.get("url") if oembed.get("type") == "photo" else None)
    return image if isinstance(image, str) else None


def _milliseconds(time: timedelta) -> int:
    return int(time.total_seconds() * 1000)
