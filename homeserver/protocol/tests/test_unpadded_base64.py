import pytest
from hypothesis import given
from hypothesis.strategies import binary

from homeserver.protocol.unpadded_base64 import decode_base64, encode_base64, encode_urlsafe_base64


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"f", "Zg"),
        (b"fo", "Zm8"),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg"),
        (b"fooba", "Zm9vYmE"),
        (b"foobar", "Zm9vYmFy"),
    ],
)
def test_examples_of_the_specification(data: bytes, text: str) -> None:
    assert encode_base64(data) == text
    assert decode_base64(text) == data


@given(binary())
def test_both_alphabets_decode_with_and_without_padding(data: bytes) -> None:
    for text in (encode_base64(data), encode_urlsafe_base64(data)):
        assert decode_base64(text) == data
        assert decode_base64(text + "=" * (-len(text) % 4)) == data


def test_url_safe_alphabet() -> None:
    assert encode_base64(b"\xfb\xff") == "+/8"
    assert encode_urlsafe_base64(b"\xfb\xff") == "-_8"


@pytest.mark.parametrize("text", ["Z", "Zm9v!", "Zm 9v", "Zm9vé", "=Zm9v"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- what the library says differs
        decode_base64(text)
