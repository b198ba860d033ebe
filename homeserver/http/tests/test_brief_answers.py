from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from homeserver.http.brief_answers import BriefAnswer, BriefAnswerReader, LongAnswer, UnusableAnswer
from tests.wire import each

MOST = 20
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: 1\r\n\r\nabc"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n"


def read(data: bytes, *, ends: bool = False) -> tuple[BriefAnswer | None, BriefAnswerReader]:
    reader = BriefAnswerReader(MOST)
    answer = reader.feed(data)
    return (reader.end() if ends and answer is None else answer), reader


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def headed(*lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", b""])


class BriefAnswerTests(TestCase):
    def test_whole(self) -> None:
        answer, reader = read(PLAIN)
        self.assertEqual(answer, BriefAnswer(200, {"content-length": "3", "x-a": "1"}, b"abc"))
        self.assertTrue(reader.leaves_connection)

    def test_in_pieces(self) -> None:
        def check(data: bytes) -> None:
            whole, _ = read(data)
            self.assertIsNotNone(whole)
            reader = BriefAnswerReader(MOST)
            *before, last = (reader.feed(bytes([byte])) for byte in data)
            self.assertEqual((set(before), last), ({None}, whole))

        each(check, [PLAIN, CHUNKED, headed(b"Content-Length: 0"), b"HTTP/1.1 204 No Content\r\n\r\n"])

    def test_chunks(self) -> None:
        answer, reader = read(CHUNKED)
        assert answer is not None
        self.assertEqual((answer.body, reader.leaves_connection), (b"abc0123456789", True))

    def test_others_come_before(self) -> None:
        answer, _ = read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN)
        assert answer is not None
        self.assertEqual((answer.status, answer.body), (200, b"abc"))
        self.assertNotIn("link", answer.headers)

    def test_the_end_of_the_connection_is_that_of_the_body(self) -> None:
        def check(head: bytes) -> None:
            answer, reader = read(head + b"abc", ends=True)
            assert answer is not None
            self.assertEqual((answer.body, reader.leaves_connection), (b"abc", False))

        each(check, [b"HTTP/1.1 200\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"])

    def test_when_the_connection_is_of_no_more_use(self) -> None:
        def check(data: bytes) -> None:
            answer, reader = read(data)
            self.assertEqual((answer is not None, reader.leaves_connection), (True, False))

        each(
            check,
            [PLAIN + b"x", headed(b"Content-Length: 0", b"Connection: Close"), PLAIN.replace(b"1.1", b"1.0")],
        )

    def test_too_long(self) -> None:
        def check(data: bytes) -> None:
            self.assertRaises(LongAnswer, read, data)

        each(
            check,
            [
                headed(b"Content-Length: 21"),
                headed() + b"x" * 21,
                chunked(b"15\r\n"),
                chunked(b"14\r\n" + b"x" * 20 + b"\r\n1\r\n"),
            ],
        )

    def test_what_is_no_answer(self) -> None:
        def check(data: bytes) -> None:
            self.assertRaises(UnusableAnswer, read, data, ends=True)

        each(
            check,
            [
                b"",
                b"SSH-2.0\r\n\r\n",
                b"HTTP/2 200 OK\r\n\r\n",
                b"HTTP/1.1 600 OK\r\n\r\n",
                b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
                b"HTTP/1.1 200 OK\r\n" + b"a" * 70_000,
                b"HTTP/1.1 200 OK\r\na: " + b"a" * 70_000 + b"\r\n\r\n",
                headed(b"no colon"),
                headed(b": no name"),
                headed(b"a: b", b" goes on: c"),
                headed(b"Content-Length: -1"),
                headed(b"Content-Length: +1"),
                headed(b"Content-Length: 1", b"Content-Length: 2"),
                headed(b"Content-Length: 2") + b"x",
                headed(b"Transfer-Encoding: gzip, chunked"),
                chunked(b"-1\r\n"),
                chunked(b"1_0\r\n"),
                chunked(b"\r\n"),
                chunked(b"1" * 2000),
                chunked(b"1\r\nabc"),
                chunked(b"1\r\na\r\n"),
                chunked(b"0\r\n"),
                chunked(b"0\r\nx: " + b"y" * 70_000),
            ],
        )

    @given(st.lists(st.binary(max_size=50) | st.sampled_from([PLAIN[:20], CHUNKED[:60], b"\r\n\r\n"])))
    def test_anything(self, pieces: list[bytes]) -> None:
        """Nothing else is ever raised, and no more is kept than may be."""
        reader = BriefAnswerReader(MOST)
        try:
            for piece in pieces:
                answer = reader.feed(piece)
                if answer is not None:
                    self.assertLessEqual(len(answer.body), MOST)
                    return
            reader.end()
        except UnusableAnswer:
            pass
