"""Files as answers, and bodies as files."""

from io import BytesIO
from typing import BinaryIO

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from homeserver.http.dispatch import Incoming, Rendered
from homeserver.http.endpoint import FileAnswer
from homeserver.http.site import Site, file_without_name
from homeserver.http.tests.test_site import Connection, Response

CONTENT = bytes(range(256)) * 1000
ETAG = '"tag"'
OWN = ((b"Content-Type", b"image/png"),)


class FileServer:
    """Answers with a file, and keeps the bodies that it is sent."""

    def __init__(self) -> None:
        self.file = BytesIO(CONTENT)
        self.length = len(CONTENT)
        self.bodies: list[tuple[str | None, BinaryIO]] = []

    async def answer(self, incoming: Incoming) -> Rendered:
        if incoming.body_length:
            self.bodies.append((incoming.content_type, incoming.take_body()))
        self.file = BytesIO(CONTENT)
        return Rendered(200, b"", OWN, FileAnswer(self.file, self.length, ETAG, ()))


class FileTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = FileServer()
        self.files: list[BinaryIO] = []
        self.site = Site(
            self.server,
            MemoryReactorClock(),
            compress=True,
            x_forwarded=False,
            largest_body=300_000,
            body_file=self.body_file,
        )
        self.connection = Connection(self.site)

    def body_file(self) -> BinaryIO:
        self.files.append(file_without_name())
        return self.files[-1]

    def got(self, method: str = "GET", **headers: str) -> Response:
        self.connection.request(method, "/a", **headers)
        (response,) = self.connection.responses(to_head=method == "HEAD")
        self.assertTrue(self.server.file.closed)
        return response


class FileAnswerTests(FileTestCase):
    def test_the_whole(self) -> None:
        response = self.got(Accept_Encoding="gzip")
        self.assertEqual((response.status, response.body), (200, CONTENT))
        headers = response.headers
        self.assertEqual((headers["content-type"], headers["etag"]), ("image/png", ETAG))
        self.assertEqual((headers["accept-ranges"], headers["access-control-allow-origin"]), ("bytes", "*"))
        self.assertNotIn("content-encoding", headers)
        self.assertEqual(self.site.running, set())

    def test_a_part(self) -> None:
        response = self.got(Range="bytes=1000-1999")
        self.assertEqual((response.status, response.body), (206, CONTENT[1000:2000]))
        self.assertEqual(response.headers["content-range"], f"bytes 1000-1999/{len(CONTENT)}")

    def test_a_part_that_is_not_there(self) -> None:
        response = self.got(Range="bytes=9999999-")
        self.assertEqual((response.status, response.body), (416, b""))
        self.assertEqual(response.headers["content-range"], f"bytes */{len(CONTENT)}")

    def test_what_the_client_has(self) -> None:
        response = self.got(If_None_Match=ETAG)
        self.assertEqual((response.status, response.headers["etag"]), (304, ETAG))
        self.assertNotIn("content-length", response.headers)

    def test_head(self) -> None:
        response = self.got("HEAD", Range="bytes=0-1")
        self.assertEqual((response.status, response.headers["content-length"]), (200, str(len(CONTENT))))

    def test_the_next_request_of_the_connection(self) -> None:
        for _ in range(2):
            self.assertEqual(self.got().body, CONTENT)

    def test_no_faster_than_the_client_reads(self) -> None:
        self._start_and_pause()
        self.assertLess(len(self.connection.transport.value()), 100_000)
        self.assertEqual(len(self.site.running), 1)
        self.connection.channel.resumeProducing()
        self.assertEqual(self.connection.response().body, CONTENT)
        self.assertEqual(self.site.running, set())

    def _start_and_pause(self) -> None:
        """As by a transport whose buffer is full after the first piece."""
        channel, write = self.connection.channel, self.connection.transport.write

        def write_and_pause(data: bytes) -> None:
            write(data)
            if len(data) > 1000:
                writing.restore()
                channel.pauseProducing()

        writing = self.patch(self.connection.transport, "write", write_and_pause)
        self.connection.request("GET", "/a")

    def test_a_client_that_goes_away_midway(self) -> None:
        self._start_and_pause()
        self.assertFalse(self.server.file.closed)
        self.connection.hang_up()
        self.assertTrue(self.server.file.closed)
        self.assertEqual(self.site.running, set())

    def test_a_connection_that_ends_midway(self) -> None:
        """Transports tell the producer first."""
        self._start_and_pause()
        self.connection.channel.stopProducing()
        self.assertTrue(self.server.file.closed)
        self.connection.hang_up()
        self.assertEqual((self.site.running, self.flushLoggedErrors()), (set(), []))

    def test_a_file_that_is_too_short(self) -> None:
        self.server.length = len(CONTENT) + 1
        with self.assertLogs("homeserver.http.file_stream", "ERROR"):
            self.connection.request("GET", "/a")
        self.assertTrue(self.connection.transport.disconnecting)
        self.assertTrue(self.server.file.closed)


class BodyTests(FileTestCase):
    def put(self, body: bytes, content_type: str) -> tuple[str | None, BinaryIO]:
        self.connection.request("POST", "/a", body, Content_Type=content_type)
        return self.server.bodies[-1]

    def test_large_ones_are_on_the_disk(self) -> None:
        _, file = self.put(b"x" * 200_000, "image/png")
        self.assertEqual((file, file.read()), (self.files[0], b"x" * 200_000))
        file.close()

    def test_what_is_only_promised_takes_no_room(self) -> None:
        self.connection.send(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n")
        self.connection.send(b"x" * 100_000)
        self.assertEqual(self.files, [])
        self.connection.send(b"y")
        (file,) = self.files
        self.connection.hang_up()
        self.assertTrue(file.closed)

    def test_pieces_without_a_length(self) -> None:
        self.connection.send(b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for letter in b"abc":
            self.connection.send(b"%x\r\n%b\r\n" % (60_000, bytes([letter]) * 60_000))
        self.connection.send(b"0\r\n\r\n")
        with self.server.bodies[0][1] as file:
            self.assertEqual(file.read(), b"a" * 60_000 + b"b" * 60_000 + b"c" * 60_000)

    def test_a_disk_without_room(self) -> None:
        class FullFile(BytesIO):
            def write(self, data: object) -> int:
                raise OSError(28, "No space left on device")

        def no_file() -> BinaryIO:
            raise PermissionError(13, "Permission denied")

        for make in (FullFile, no_file):
            self.site.body_file = make
            with self.assertLogs("homeserver.http.site", "ERROR"):
                self.connection.request("POST", "/a", b"x" * 200_000)
            self.assertEqual(self.connection.response().status, 503)
        self.assertEqual(self.server.bodies, [])
        self.site.body_file = self.body_file
        self.put(b"x" * 200_000, "image/png")[1].close()

    def test_forms_are_bodies_as_any_other(self) -> None:
        """Twisted reads them into memory, and ends the connection of who sends a broken one."""
        for kind in (
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
        ):
            content_type, file = self.put(b"a=b&c", kind)
            self.assertEqual((content_type, file.read()), (kind, b"a=b&c"))
            self.assertEqual(self.connection.response().status, 200)

    def test_who_took_it_goes_on_when_the_client_has_gone(self) -> None:
        _, file = self.put(b"abc", "text/plain")
        self.connection.hang_up()
        self.assertEqual(file.read(), b"abc")

    def test_the_limit_of_the_server(self) -> None:
        self.connection.request("PUT", "/a", b"x" * 300_001)
        self.assertEqual(self.connection.response().status, 413)

    def test_headers_that_are_no_text(self) -> None:
        self.connection.send(b"GET /a HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff\r\n\r\n")
        self.assertEqual(self.connection.response().status, 200)
