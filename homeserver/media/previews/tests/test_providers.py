import json
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import TestCase

from config.previews import Previews as PreviewSettings
from homeserver.http.outbound import RequestFailed
from homeserver.media.previews.providers import Endpoint, OembedProviders, Provider, configured_providers
from homeserver.media.previews.tests.test_previews import PreviewTestCase
from homeserver.runtime.refusal import Refusal
from tests.wire import each


class ProviderTests(TestCase):
    def setUp(self) -> None:
        self.directory = Path(self.enterContext(TemporaryDirectory()))

    def file(self, content: object) -> Path:
        path = self.directory / "providers.json"
        path.write_text(json.dumps(content))
        return path

    def test_whom_to_ask(self) -> None:
        known = OembedProviders(
            [
                Provider("A", (Endpoint("https://a.example/oembed.{format}", ("https://*.a.example/v/*",)),)),
                Provider("B", (Endpoint("https://b.example/o?x=y", ("http://b.example/?v=*",)),)),
                Provider("C", (Endpoint("https://c.example/", ("https://c.example/*",), ("xml",)),)),
            ]
        )

        def check(case: tuple[str, str | None]) -> None:
            url, question = case
            self.assertEqual(known.question(url), question)

        page = "https%3A%2F%2Fwww.a.example%2Fv%2F1"
        each(
            check,
            [
                ("https://www.a.example/v/1", f"https://a.example/oembed.json?format=json&url={page}"),
                (
                    "http://b.example/?v=1",
                    "https://b.example/o?x=y&format=json&url=http%3A%2F%2Fb.example%2F%3Fv%3D1",
                ),
                ("https://www.a.example/v/", None),
                ("https://x.y.a.example/v/1", None),
                ("https://evil.example/.a.example/v/1", None),
                ("http://www.a.example/v/1", None),
                ("https://c.example/1", None),
            ],
        )

    def test_those_that_come_with_the_server(self) -> None:
        url = "https://x.com/somebody/status/1"
        self.assertIn(
            "https://publish.x.com/oembed?", configured_providers(PreviewSettings()).question(url) or ""
        )
        off = PreviewSettings(disable_default_oembed_providers=True)
        self.assertIsNone(configured_providers(off).question(url))

    def test_those_of_the_operator(self) -> None:
        endpoint = {"url": "https://a.example/o", "schemes": ["https://a.example/*"], "discovery": True}
        path = self.file(
            [{"provider_name": "A", "provider_url": "https://a.example", "endpoints": [endpoint]}]
        )
        known = configured_providers(PreviewSettings(oembed_providers=(path,)))
        self.assertEqual(
            known.question("https://a.example/1"),
            "https://a.example/o?format=json&url=https%3A%2F%2Fa.example%2F1",
        )

    def test_files_that_are_none(self) -> None:
        def check(content: object) -> None:
            with self.assertRaises(Refusal) as raised:
                configured_providers(PreviewSettings(oembed_providers=(self.file(content),)))
            self.assertIn("providers.json cannot be used", str(raised.exception))

        def listing(**endpoint: object) -> object:
            return [{"provider_name": "A", "endpoints": [{"url": "https://a.example/", **endpoint}]}]

        each(
            check,
            [
                {},
                [{}],
                listing(url=1),
                listing(url="ftp://a.example/", schemes=["https://a.example/*"]),
                listing(schemes=["ftp://a.example/*"]),
                listing(schemes=["*"]),
            ],
        )
        absent = PreviewSettings(oembed_providers=(self.directory / "absent",))
        self.assertRaises(Refusal, configured_providers, absent)


class AskedProviderTests(PreviewTestCase):
    page_url = "https://x.com/somebody/status/1"
    oembed_url = "https://publish.x.com/oembed?format=json&url=https%3A%2F%2Fx.com%2Fsomebody%2Fstatus%2F1"

    def test_it_is_asked_instead_of_the_page(self) -> None:
        told = {"type": "rich", "author_name": "Somebody", "html": "<p>Hello <b>world</b></p>", "title": None}
        self.page(json.dumps(told), "application/json", self.oembed_url)
        answer = self.preview(self.page_url)
        self.assertEqual(answer.json, {"og:author": "Somebody", "og:description": "Hello world"})
        self.assertEqual(self.asked, [self.oembed_url])

    def test_otherwise_the_page_is_looked_at(self) -> None:
        self.page("<title>Title</title>", url=self.page_url)
        for answer in (RequestFailed("no"), None, b"[]", b"not JSON", b"{}"):
            self.pages.pop(self.oembed_url, None)
            if isinstance(answer, Exception):
                self.pages[self.oembed_url] = answer
            elif answer is not None:
                self.page(answer, "application/json", self.oembed_url)
            self.assertEqual(self.preview(self.page_url).json, {"og:title": "Title"})
            self.advance(2 * 3600)

    def test_what_the_operator_blocks_is_not_asked_about(self) -> None:
        self.assertEqual(self.preview("https://x.bad.example/").status, 403)
        self.assertEqual(self.asked, [])
