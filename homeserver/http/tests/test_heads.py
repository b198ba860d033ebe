from homeserver.http.heads import CLOSE, head, header_lines, length_line


def test_a_whole_head() -> None:
    lines = header_lines(((b"Content-Type", b"text/plain"),))
    expected = b"HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 7\r\nConnection: close\r\n\r\n"
    assert head(b"HTTP/1.0", 404, lines, length_line(7), CLOSE) == expected


def test_a_status_without_a_name() -> None:
    assert head(b"HTTP/1.1", 499) == b"HTTP/1.1 499 Unknown\r\n\r\n"


def test_the_last_header_of_a_name_counts() -> None:
    assert header_lines(((b"A", b"1"), (b"B", b"2"), (b"a", b"3"))) == b"a: 3\r\nB: 2\r\n"


def test_a_value_begins_no_line() -> None:
    for ending in (b"\r\n", b"\r", b"\n"):
        assert header_lines(((b"Location", b"/a" + ending + b"X: y"),)) == b"Location: /a X: y\r\n"
