from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.client.multipart import MultipartInvalid, TwoParts

HEADERS = "Content-Type: image/png\r\nContent-Disposition: inline; filename=cat.png\r\n"


def body_of(
    file: bytes, *, preamble: bytes = b"", headers: str = HEADERS, boundary: str = "b0undary"
) -> bytes:
    return (
        preamble
        + f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--{boundary}\r\n{headers}\r\n".encode()
        + file
        + f"\r\n--{boundary}--\r\n".encode()
    )


def read(body: bytes, *cuts: int) -> tuple[TwoParts, bytes]:
    pieces: list[bytes] = []
    parts = TwoParts(pieces.append)
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    for start, end in pairwise(edges):
        parts.feed(body[start:end])
    return parts, b"".join(pieces)


@given(st.binary(max_size=200), st.lists(st.integers(0, 500), max_size=8))
def test_wherever_it_is_cut(file: bytes, cuts: list[int]) -> None:
    parts, written = read(body_of(file), *cuts)
    assert written == file
    assert parts.is_complete
    assert parts.metadata == b"{}"
    assert parts.headers["content-type"] == "image/png"


@pytest.mark.parametrize("file", [b"\r\n--b0undar", b"\r\n--b0undary", b"--b0undary--", b"\r\n\r\n", b""])
def test_what_looks_like_an_end(file: bytes) -> None:
    body = body_of(file)
    for cut in range(len(body)):
        parts, written = read(body, cut)
        assert (written, parts.is_complete) == (file, True)


def test_a_preamble_and_other_forms() -> None:
    _, written = read(body_of(b"x", preamble=b"\r\n"))
    assert written == b"x"
    _, written = read(body_of(b"x", preamble=b"This is MIME.\r\n"))
    assert written == b"x"
    parts, written = read(body_of(b"x", headers=""))
    assert (written, parts.headers) == (b"x", {})
    parts, _ = read(body_of(b"", headers="location: https://a.example/x\r\n"))
    assert parts.headers["location"] == "https://a.example/x"


def test_an_end_that_is_missing() -> None:
    parts, _ = read(body_of(b"x" * 100)[:-20])
    assert not parts.is_complete


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 20_000,
        b"--b\r\n" + b"A: b\r\n" * 5000,
        b"--b\r\n\r\n" + b"x" * 100_000,
        b"--b\r\n\r\n{}\r\n--b\r\n" + b"A: b\r\n" * 5000,
    ],
)
def test_parts_that_should_be_short(body: bytes) -> None:
    with pytest.raises(MultipartInvalid):
        read(body, *range(0, len(body), 1000))
