from twisted.internet.defer import Deferred

from homeserver.media.remote import file_name_of
from homeserver.media.tests.media import CONTENT, DOWNLOAD, FROZEN_DOWNLOAD
from homeserver.protocol.errors import NotYetUploaded, RemoteFailed
from tests.remote_media import REMOTE, RemoteMediaTestCase
from tests.wire import each


class RemoteDownloadTests(RemoteMediaTestCase):
    settings = (
        "max_upload_size=100K",
        "prevent_media_downloads_from=[bad.example]",
        "remote_media_download_per_second=100K",
        "remote_media_download_burst_count=3M",
    )

    def test_fetched_once(self) -> None:
        content = bytes(range(256)) * 300
        path = self.serve(content, "image/jpeg", "inline; filename*=utf-8''k%C3%A4se.jpg")
        for _ in range(2):
            answer = self.download(path)
            self.assertEqual((answer.status, answer.body), (200, content))
            self.assertEqual(answer.headers["content-type"], "image/jpeg")
            self.assertEqual(answer.headers["content-disposition"], "inline; filename*=utf-8''k%C3%A4se.jpg")
        self.assertEqual(self.asked, [("remote.example", "abc")])
        self.restart()
        self.assertEqual(self.download(path).body, content)
        self.assertEqual(len(self.asked), 1)

    def test_by_many_at_the_same_time(self) -> None:
        path = self.serve(CONTENT)
        self.slow = Deferred()
        exchanges = [self.alice.start("GET", DOWNLOAD + path) for _ in range(3)]
        exchanges[0].hang_up()
        self.slow.callback(None)
        for exchange in exchanges[1:]:
            assert exchange.answer is not None
            self.assertEqual(exchange.answer.body, CONTENT)
        self.assertEqual(len(self.asked), 1)

    def test_what_the_other_server_says_of_it(self) -> None:
        headers = self.download(
            self.serve(b"<script>", "text/html\r\nX: y", "attachment; filename=a")
        ).headers
        self.assertEqual(headers["content-type"], "application/octet-stream")
        self.assertEqual(headers["content-disposition"], 'attachment; filename="a"')
        self.assertNotIn("x", headers)

    def test_what_there_is_not(self) -> None:
        self.assertEqual(self.download(REMOTE).error, (404, "M_NOT_FOUND"))
        self.serve(CONTENT)
        self.assertEqual(self.download(REMOTE).status, 200)

    def test_too_large(self) -> None:
        self.assertEqual(self.download(self.serve(b"x" * 102_401)).error, (502, "M_TOO_LARGE"))
        self.assertEqual(self.stored_files(), [])

    def test_no_more_than_is_allowed_for_an_address(self) -> None:
        for number in range(21):
            self.assertEqual(
                self.download(self.serve(b"x" * 100_000, path=f"/a.example/{number}")).status, 200
            )
        answer = self.download(self.serve(CONTENT, path="/a.example/next"))
        self.assertEqual(answer.error, (429, "M_LIMIT_EXCEEDED"))
        # What is here is given out.
        self.assertEqual(self.download("/a.example/1").status, 200)
        self.advance(answer.json["retry_after_ms"] / 1000)
        self.assertEqual(self.download("/a.example/next").status, 200)

    def test_what_was_fetched_in_vain_counts(self) -> None:
        self.breaks = True
        for number in range(21):
            path = self.serve(b"x" * 100_000, path=f"/a.example/{number}")
            self.assertEqual(self.download(path).error, (502, "M_UNKNOWN"))
        self.assertEqual(self.download("/a.example/1").error, (429, "M_LIMIT_EXCEEDED"))

    def test_errors_of_the_other_server(self) -> None:
        self.files["remote.example", "abc"] = NotYetUploaded("wait")
        self.assertEqual(self.download(REMOTE).error, (504, "M_NOT_YET_UPLOADED"))
        self.files["remote.example", "abc"] = RemoteFailed("down")
        self.assertEqual(self.download(REMOTE).error, (502, "M_UNKNOWN"))

    def test_tricks_in_names(self) -> None:
        def check(path: str) -> None:
            self.assertEqual(self.download(path).error, (404, "M_NOT_FOUND"))

        each(check, ["/remote.example/..%2Fx", "/..%2Fetc/x", "/a%0Ab/x", "/a b/x"])
        self.assertEqual(self.asked, [])

    def test_servers_that_are_not_to_be_asked(self) -> None:
        path = self.serve(CONTENT, path="/bad.example/x")
        self.assertEqual(self.download(path).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.asked, [])

    def test_the_frozen_paths(self) -> None:
        path = self.serve(CONTENT)
        self.assertEqual(self.anonymous.get(FROZEN_DOWNLOAD + path).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.asked, [])
        self.download(path)
        self.assertEqual(self.anonymous.get(FROZEN_DOWNLOAD + path).error, (404, "M_NOT_FOUND"))

    def test_who_may(self) -> None:
        self.assertEqual(self.anonymous.get(DOWNLOAD + self.serve(CONTENT)).error, (401, "M_MISSING_TOKEN"))


class OpenRemoteTests(RemoteMediaTestCase):
    settings = ("enable_authenticated_media=false",)

    def test_for_everybody(self) -> None:
        path = self.serve(CONTENT)
        answer = self.anonymous.get(FROZEN_DOWNLOAD + path, allow_remote=False)
        self.assertEqual(answer.error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.anonymous.get(FROZEN_DOWNLOAD + path).body, CONTENT)
        self.patch(type(self), "settings", ())
        self.restart()
        self.assertEqual(self.anonymous.get(FROZEN_DOWNLOAD + path).body, CONTENT)


class ServingTests(RemoteMediaTestCase):
    PATH = "/_matrix/federation/v1/media/download/"

    def test_a_file_for_another_server(self) -> None:
        media_id = self.uploaded(filename="cat.png").rpartition("/")[2]
        answer = self.other_server().get(self.PATH + media_id)
        self.assertEqual(answer.status, 200)
        kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
        self.assertEqual(kind, "multipart/mixed")
        before, first, second, after = answer.body.split(f"--{boundary}".encode())
        self.assertEqual((before, after), (b"", b"--\r\n"))
        self.assertEqual(first, b"\r\nContent-Type: application/json\r\n\r\n{}\r\n")
        head, _, content = second.partition(b"\r\n\r\n")
        self.assertEqual(content, CONTENT + b"\r\n")
        self.assertEqual(
            head, b'\r\nContent-Type: image/png\r\nContent-Disposition: inline; filename="cat.png"'
        )

    def test_large_ones(self) -> None:
        content = bytes(range(256)) * 2000
        media_id = self.uploaded(content).rpartition("/")[2]
        answer = self.other_server().get(self.PATH + media_id)
        self.assertEqual(int(answer.headers["content-length"]), len(answer.body))
        self.assertIn(content, answer.body)

    def test_what_there_is_not(self) -> None:
        self.download(self.serve(CONTENT))
        other = self.other_server()
        for media_id in ("nothing", "abc", "..%2Fx"):
            self.assertEqual(other.get(self.PATH + media_id).error, (404, "M_NOT_FOUND"))

    def test_what_is_to_be_uploaded_yet(self) -> None:
        uri = self.alice.post("/_matrix/media/v1/create")["content_uri"]
        media_id = uri.rpartition("/")[2]
        answer = self.other_server().get(self.PATH + media_id, timeout_ms=0)
        self.assertEqual(answer.error, (504, "M_NOT_YET_UPLOADED"))

    def test_who_may(self) -> None:
        media_id = self.uploaded().rpartition("/")[2]
        self.assertEqual(self.anonymous.get(self.PATH + media_id).status, 401)
        self.assertEqual(self.alice.get(self.PATH + media_id).status, 401)


def test_file_names() -> None:
    told = {
        None: None,
        "": None,
        "inline": None,
        "inline; filename=cat.png": "cat.png",
        'attachment; filename="my cat.png"': "my cat.png",
        "inline; filename*=utf-8''k%C3%A4se": "k\u00e4se",
        "inline; filename*=nonsense''%ff": "\u00ff",
        "inline; filename*=''%00": None,
        'inline; filename="\ud800a"': "?a",
        "inline; filename=" + "x" * 2000: "x" * 1000,
        "\r\nX: y": None,
    }
    for header, name in told.items():
        assert file_name_of(header) == name, header
