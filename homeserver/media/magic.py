"""What a file shows itself to be by its first bytes, whatever it is called.

https://mimesniff.spec.whatwg.org/
"""

import re

LONGEST_MAGIC = 1024

_BEGINNINGS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"OggS\0", "application/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b\x08", "application/gzip"),
)
# Of containers: their mark, where the kind of what they contain stands, and what it says.
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wave", b"AVI ": "video/avi"}
_BRANDS = {b"avif": "image/avif", b"avis": "image/avif", b"qt  ": "video/quicktime", b"M4A ": "audio/mp4"}
# What browsers would run scripts of.
_MARKUP = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:(?P<xml>\?xml|svg)|!doctype\s+html|"
    rb"(?:html|head|body|script|iframe|h1|div|font|table|a|style|title|b|br|p|img)[\s/>])",
    re.IGNORECASE | re.DOTALL,
)


def type_of(beginning: bytes) -> str | None:
    """The media type that the first `LONGEST_MAGIC` bytes of a file tell, if any."""
    for magic, media_type in _BEGINNINGS:
        if beginning.startswith(magic):
            return media_type
    if beginning.startswith(b"RIFF"):
        return _RIFF.get(beginning[8:12])
    if beginning[4:8] == b"ftyp":
        return _BRANDS.get(beginning[8:12], "video/mp4")
    markup = _MARKUP.match(beginning)
    if markup is None:
        return None
    return "text/html" if markup["xml"] is None else "text/xml"
