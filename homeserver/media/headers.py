"""What is told of a file beside its bytes.

https://spec.matrix.org/v1.19/client-server-api/#serving-inline-content
"""

import re
from urllib.parse import quote

from homeserver.media.store.media import Description

UNKNOWN_TYPE = "application/octet-stream"

# https://www.rfc-editor.org/rfc/rfc9110#name-media-type, with parameters of any form.
_CONTENT_TYPE = re.compile(r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+[ \t]*(?:;[ \t\x21-\x7e]*)?", re.ASCII)
_LONGEST_TYPE = 255

# What browsers show without ever running anything that is in it.
_INLINE = frozenset(
    """
    text/css text/plain text/csv application/json application/ld+json
    image/jpeg image/gif image/png image/apng image/webp image/avif
    video/mp4 video/webm video/ogg video/quicktime
    audio/mp4 audio/webm audio/aac audio/mpeg audio/ogg audio/wave audio/wav audio/x-wav audio/x-pn-wav
    audio/flac audio/x-flac
    """.split()  # noqa: SIM905 -- a page of quotation marks would be worse
)

_ALWAYS = (
    (
        "Content-Security-Policy",
        "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf;"
        " style-src 'unsafe-inline'; object-src 'self';",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    # What a URI leads to never changes, but may be taken away. Caches of others must not keep what takes a token.
    ("Cache-Control", "private, max-age=86400, immutable"),
)
# What would be run, had somebody called it by one of the types above.
_MARKUP = frozenset({"text/html", "text/xml"})
# Characters of quoted strings that every client reads alike.
_PLAIN_NAME = re.compile(r"[ !#-\[\]-~]*")


def content_type_of(declared: str | None) -> str:
    """What a client declared, where it can be told to others."""
    if declared is None or len(declared) > _LONGEST_TYPE or not _CONTENT_TYPE.fullmatch(declared):
        return UNKNOWN_TYPE
    return declared


def headers_of(description: Description, file_name: str | None) -> tuple[tuple[str, str], ...]:
    """For the download of a file; `file_name` is what the client wants to call it."""
    disposition = _disposition(description, file_name or description.file_name)
    return (("Content-Type", description.content_type), ("Content-Disposition", disposition), *_ALWAYS)


def _disposition(description: Description, file_name: str | None) -> str:
    """https://www.rfc-editor.org/rfc/rfc6266"""
    kind = description.content_type.partition(";")[0].strip().lower()
    pretends = description.found_type in _MARKUP and not kind.startswith("text/")
    disposition = "inline" if kind in _INLINE and not pretends else "attachment"
    if not file_name:
        return disposition
    if _PLAIN_NAME.fullmatch(file_name):
        return f'{disposition}; filename="{file_name}"'
    return f"{disposition}; filename*=utf-8''{quote(file_name, safe='')}"
