import json
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred

from homeserver.http.outbound import AnswerTooLarge, ForbiddenAddress, Outbound, RequestFailed, Response
from homeserver.media.previews.previews import languages
from homeserver.media.tests.media import DOWNLOAD, MediaTestCase
from homeserver.media.tests.pictures import picture
from tests.client import Answer
from tests.wire import each

PATH = "/_matrix/client/v1/media/preview_url"
PAGE = "https://site.example/page"
HOUR = 3600


class PreviewTestCase(MediaTestCase):
    """`pages` are what is on the web; `asked` is what was looked at."""

    settings = (
        "url_preview_enabled=true",
        "url_preview_url_blacklist=[{netloc: '*.bad.example'}, {scheme: http, path: '^/private'}]",
        "url_preview_accept_language=[de, en]",
        "max_spider_size=100K",
    )

    def setUp(self) -> None:
        self.pages: dict[str, Response | Exception] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.slow: Deferred[None] | None = None

        async def request(_: Outbound, method: str, url: str, **options: Any) -> Response:
            self.asked.append(url)
            self.headers.append(options.get("headers") or {})
            self.assertLessEqual(options["bounds"].body, 256 * 1024)
            if self.slow is not None:
                await self.slow
            answer = self.pages.get(url, Response(404, {}, b"", url))
            if isinstance(answer, Exception):
                raise answer
            if answer.status == 200 and options.get("into"):
                options["into"](answer.body)
            return answer

        self.patch(Outbound, "request", request)
        super().setUp()

    def page(self, body: str | bytes, content_type: str = "text/html", url: str = PAGE, at: str = "") -> None:
        """`at` is where it is after redirects."""
        content = body.encode() if isinstance(body, str) else body
        self.pages[url] = Response(200, {"content-type": content_type}, content, at or url)

    def preview(self, url: str = PAGE) -> Answer:
        return self.alice.get(PATH, url=url)


class PreviewTests(PreviewTestCase):
    def test_a_page(self) -> None:
        self.page("<title>Title</title><meta property=og:type content=article>")
        for path in (PATH, "/_matrix/media/v3/preview_url", "/_matrix/media/r0/preview_url"):
            answer = self.alice.get(path, url=PAGE + "#part", ts=1)
            self.assertEqual(answer.json, {"og:title": "Title", "og:type": "article"})
        self.assertEqual(self.asked, [PAGE])
        self.assertEqual(self.headers[0]["Accept-Language"], "de, en;q=0.9")

    def test_its_picture(self) -> None:
        self.page(
            '<title>T</title><meta property="og:image" content="cat.png">', at="https://other.example/a/b"
        )
        self.page(picture(120, 60), "image/jpeg", "https://other.example/a/cat.png")
        answer = self.preview().json
        uri = answer.pop("og:image")
        size = len(picture(120, 60))
        self.assertEqual(
            answer,
            {
                "og:title": "T",
                "og:image:type": "image/png",
                "og:image:width": 120,
                "og:image:height": 60,
                "matrix:image:size": size,
            },
        )
        downloaded = self.alice.get(DOWNLOAD + "/" + uri.removeprefix("mxc://"))
        self.assertEqual(
            (downloaded.body, downloaded.headers["content-type"]), (picture(120, 60), "image/png")
        )

    def test_a_large_picture_is_kept_whole(self) -> None:
        content = picture(300, 300) + b"\0" * 50_000
        self.page(content, "image/png")
        uri = self.preview()["og:image"]
        self.assertEqual(self.alice.get(DOWNLOAD + "/" + uri.removeprefix("mxc://")).body, content)

    def test_pictures_that_are_none(self) -> None:
        def check(image: str) -> None:
            self.page(
                f'<title>{image[:20]}</title><meta property="og:image" content="{image}">', url=PAGE + image
            )
            self.assertEqual(self.preview(PAGE + image).json, {"og:title": image[:20]})

        self.page("<svg>", "image/svg+xml", "https://site.example/a.svg")
        self.pages["https://site.example/large"] = AnswerTooLarge("too large")
        each(
            check,
            [
                "/missing.png",
                "/a.svg",
                "/large",
                "ftp://x/y",
                "https://x.bad.example/a",
                "http://[",
                "data:,x",
            ],
        )
        self.assertEqual(self.stored_files(), [])

    def test_a_picture_itself(self) -> None:
        self.page(picture(9, 9, "GIF"), "image/gif")
        self.assertEqual(self.preview()["og:image:type"], "image/gif")

    def test_what_is_no_page(self) -> None:
        self.page("{}", "application/json")
        self.assertEqual(self.preview().json, {})

    def test_oembed(self) -> None:
        self.page('<title>T</title><link rel="alternate" type="application/json+oembed" href="/oembed">')
        told = {
            "type": "rich",
            "title": "no",
            "provider_name": "P",
            "html": "<p>words</p>",
            "thumbnail_url": "/t.png",
        }
        self.page(json.dumps(told), "application/json", "https://site.example/oembed")
        self.page(picture(9, 9), "image/png", "https://site.example/t.png")
        answer = self.preview().json
        self.assertEqual(
            (answer["og:title"], answer["og:site_name"], answer["og:description"]), ("T", "P", "words")
        )
        self.assertEqual(answer["og:image:type"], "image/png")

    def test_oembed_that_is_none(self) -> None:
        def check(body: str) -> None:
            url = PAGE + str(len(self.asked))
            self.page(
                '<title>T</title><link rel="alternate" type="application/json+oembed" href="/o">', url=url
            )
            self.page(body, "application/json", "https://site.example/o")
            self.assertEqual(self.preview(url).json, {"og:title": "T"})

        each(
            check,
            ["", "[]", "{}", '{"type": 1, "title": 2, "thumbnail_url": 3}', '{"type":"photo","url":[]}'],
        )

    def test_kept_for_an_hour(self) -> None:
        self.page("<title>1")
        self.preview()
        self.page("<title>2")
        self.advance(HOUR - 60)
        self.assertEqual(self.preview()["og:title"], "1")
        self.advance(61)
        self.assertEqual(self.preview()["og:title"], "2")
        self.assertEqual(self.count("media_url_preview"), 1)
        self.advance(HOUR)
        self.advance(HOUR)
        self.assertEqual(self.count("media_url_preview"), 0)

    def test_pictures_end(self) -> None:
        self.page(picture(9, 9), "image/png")
        self.preview()
        self.assertEqual((self.count("media"), len(self.stored_files())), (1, 1))
        for _ in range(52):
            self.advance(HOUR)
        self.assertEqual((self.count("media"), self.stored_files()), (0, []))

    def test_by_many_at_the_same_time(self) -> None:
        self.page("<title>T")
        self.slow = Deferred()
        exchanges = [self.alice.start("GET", PATH, query={"url": PAGE}) for _ in range(3)]
        exchanges[0].hang_up()
        self.slow.callback(None)
        for exchange in exchanges[1:]:
            assert exchange.answer is not None
            self.assertEqual(exchange.answer["og:title"], "T")
        self.assertEqual(self.asked, [PAGE])

    def test_pages_that_cannot_be_looked_at(self) -> None:
        def check(failure: Exception) -> None:
            self.pages[PAGE] = failure
            self.assertEqual(self.preview().error, (502, "M_UNKNOWN"))

        each(check, [RequestFailed("no"), ForbiddenAddress("127.0.0.1"), AnswerTooLarge("large")])
        self.assertEqual(self.preview("https://site.example/missing").error, (502, "M_UNKNOWN"))

    def test_what_is_not_wanted(self) -> None:
        for url in ("https://www.bad.example/", "http://a.example/private/x"):
            self.assertEqual(self.preview(url).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.asked, [])

    def test_what_is_no_url(self) -> None:
        def check(url: str) -> None:
            self.assertEqual(self.preview(url).error, (400, "M_INVALID_PARAM"))

        each(check, ["", "x", "ftp://a/b", "file:///etc/passwd", "http://", "http://[", "http://a b/", "https://a/\n",
                     "http://a:99999/", "javascript:x", "https://a/" + "x" * 9000])  # fmt: skip
        self.assertEqual(self.alice.get(PATH).error, (400, "M_MISSING_PARAM"))
        self.assertEqual(self.asked, [])

    def test_who_may(self) -> None:
        self.assertEqual(self.anonymous.get(PATH, url=PAGE).error, (401, "M_MISSING_TOKEN"))


class NoPreviewTests(MediaTestCase):
    def test_off_unless_it_is_wanted(self) -> None:
        with patch.object(Outbound, "request", side_effect=AssertionError("looked")):
            self.assertEqual(self.alice.get(PATH, url=PAGE).error, (404, "M_UNRECOGNIZED"))


def test_languages() -> None:
    assert languages(["en"]) == "en"
    assert languages(["de", "en-GB", "*;q=0.5"]) == "de, en-GB;q=0.9, *;q=0.5"
