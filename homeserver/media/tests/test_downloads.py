import shutil

from homeserver.media.tests.media import CONTENT, DOWNLOAD, FROZEN_DOWNLOAD, MediaTestCase
from tests.wire import each


class DownloadTests(MediaTestCase):
    def test_who_may(self) -> None:
        path = self.uploaded()
        self.assertEqual(self.anonymous.get(DOWNLOAD + path).error, (401, "M_MISSING_TOKEN"))
        self.assertEqual(self.register("bob").get(DOWNLOAD + path).body, CONTENT)

    def test_what_keeps_browsers_from_running_it(self) -> None:
        headers = self.download(self.uploaded(b"<script>", "text/html")).headers
        self.assertEqual(headers["content-type"], "text/html")
        self.assertTrue(headers["content-security-policy"].startswith("sandbox; default-src 'none';"))
        self.assertEqual(headers["x-content-type-options"], "nosniff")
        self.assertEqual(headers["cross-origin-resource-policy"], "cross-origin")
        self.assertEqual(headers["content-disposition"], "attachment")
        self.assertIn("private", headers["cache-control"])

    def test_only_safe_types_are_inline(self) -> None:
        def check(case: tuple[str, str]) -> None:
            headers = self.download(self.uploaded(CONTENT, case[0])).headers
            self.assertEqual((headers["content-type"], headers["content-disposition"]), case)

        safe = ("image/png", "IMAGE/PNG", "text/plain;charset=utf-8", 'video/mp4; codecs="x"', "audio/ogg")
        unsafe = ("text/html", "image/svg+xml", "application/pdf", "text/plainer", "application/xhtml+xml")
        each(check, [*((kind, "inline") for kind in safe), *((kind, "attachment") for kind in unsafe)])

    def test_markup_that_is_called_a_picture(self) -> None:
        def check(content: bytes) -> None:
            headers = self.download(self.uploaded(content, "image/png")).headers
            self.assertEqual(
                (headers["content-type"], headers["content-disposition"]), ("image/png", "attachment")
            )

        each(check, [b"<!DOCTYPE html>", b" \n<script>", b"<?xml version='1.0'?>", b"<!-- x --><svg "])
        headers = self.download(self.uploaded(b"<b> is bold", "text/plain")).headers
        self.assertEqual(headers["content-disposition"], "inline")

    def test_types_that_are_none(self) -> None:
        def check(content_type: str | None) -> None:
            headers = self.download(self.uploaded(CONTENT, content_type)).headers
            self.assertEqual(headers["content-type"], "application/octet-stream")
            self.assertEqual(headers["content-disposition"], "attachment")

        each(check, [None, "", "png", "image/", "imag\u00e9/png", "image/png, text/html", "a/" + "x" * 300])

    def test_file_names(self) -> None:
        def check(case: tuple[str, str]) -> None:
            name, told = case
            headers = self.download(self.uploaded(filename=name)).headers
            self.assertEqual(headers["content-disposition"], "inline" + told)

        each(
            check,
            [
                ("cat.png", '; filename="cat.png"'),
                ("my cat.png", '; filename="my cat.png"'),
                ("", ""),
                ("K\u00e4tzchen.png", "; filename*=utf-8''K%C3%A4tzchen.png"),
                ('a"b', "; filename*=utf-8''a%22b"),
                ("a\\b", "; filename*=utf-8''a%5Cb"),
                ("a\r\nSet-Cookie: b", "; filename*=utf-8''a%0D%0ASet-Cookie%3A%20b"),
                ("../../etc/passwd", '; filename="../../etc/passwd"'),
                ("\U0001f408", "; filename*=utf-8''%F0%9F%90%88"),
            ],
        )

    def test_under_another_name(self) -> None:
        headers = self.download(self.uploaded(filename="cat.png") + "/dog%20%C3%A9.png").headers
        self.assertEqual(headers["content-disposition"], "inline; filename*=utf-8''dog%20%C3%A9.png")

    def test_parts(self) -> None:
        path = self.uploaded(b"0123456789")
        answer = self.download(path, {"Range": "bytes=2-4"})
        self.assertEqual((answer.status, answer.body), (206, b"234"))
        self.assertEqual(answer.headers["content-range"], "bytes 2-4/10")

    def test_what_the_client_has_already(self) -> None:
        path = self.uploaded()
        etag = self.download(path).headers["etag"]
        answer = self.download(path, {"If-None-Match": etag})
        self.assertEqual((answer.status, answer.body), (304, b""))

    def test_head(self) -> None:
        answer = self.alice.request("HEAD", DOWNLOAD + self.uploaded())
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(answer.headers["content-length"], str(len(CONTENT)))

    def test_what_is_not_there(self) -> None:
        path = self.uploaded()
        self.assertEqual(self.download(path).status, 200)
        for missing_path in (
            "/test/nothing",
            "/nobody!/x",
            "/%2E%2E/x",
            "/elsewhere.example/a%2Fb",
            "/test/..%2F..%2Fetc%2Fpasswd",
            "/test/%20",
        ):
            for prefix in (DOWNLOAD, FROZEN_DOWNLOAD):
                self.assertEqual(self.alice.get(prefix + missing_path).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.download(path, timeout_ms=-1).error, (400, "M_INVALID_PARAM"))

    def test_what_the_store_has_lost(self) -> None:
        path = self.uploaded()
        shutil.rmtree(self.media_store)
        with self.assertLogs("homeserver.media.contents", "ERROR"):
            self.assertEqual(self.download(path).error, (404, "M_NOT_FOUND"))


class FrozenTests(MediaTestCase):
    def test_new_files_take_a_token(self) -> None:
        path = self.uploaded()
        self.assertEqual(self.anonymous.get(FROZEN_DOWNLOAD + path).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.alice.get(FROZEN_DOWNLOAD + path).error, (404, "M_NOT_FOUND"))


class OpenTests(MediaTestCase):
    settings = ("enable_authenticated_media=false",)

    def test_files_for_everybody(self) -> None:
        path = self.uploaded(filename="cat.png")
        for version in ("v3", "r0", "v1"):
            answer = self.anonymous.get(f"/_matrix/media/{version}/download{path}")
            self.assertEqual(
                (answer.body, answer.headers["content-disposition"]), (CONTENT, 'inline; filename="cat.png"')
            )
            named = self.anonymous.get(f"/_matrix/media/{version}/download{path}/dog.png")
            self.assertEqual(named.headers["content-disposition"], 'inline; filename="dog.png"')
        self.assertEqual(self.download(path).body, CONTENT)

    def test_they_stay_so_when_new_ones_are_not(self) -> None:
        before = self.uploaded()
        self.patch(type(self), "settings", ())
        self.restart()
        after = self.uploaded()
        self.assertEqual(self.anonymous.get(FROZEN_DOWNLOAD + before).body, CONTENT)
        self.assertEqual(self.anonymous.get(FROZEN_DOWNLOAD + after).status, 404)
