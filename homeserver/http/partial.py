"""What of a file a request asks for: all, a part, or nothing where the client has it already.

https://www.rfc-editor.org/rfc/rfc9110#name-conditional-requests and #name-range-requests
"""

import re
from typing import NamedTuple

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[^"]*")')


class Wish(NamedTuple):
    """The header fields of a request that say what of a file is wanted."""

    range: str | None = None
    if_range: str | None = None
    if_none_match: str | None = None


class Part(NamedTuple):
    """What is answered: a status, and `length` bytes from `start` on."""

    status: int
    start: int
    length: int


def part_of(wish: Wish, length: int, etag: str) -> Part:
    """200 for the whole file of `length` bytes, 206 for a part, 304 and 416 for nothing of it."""
    if wish.if_none_match is not None and _names(wish.if_none_match, etag):
        return Part(304, 0, 0)
    # A date in If-Range matches nothing, because there are none here.
    if wish.range is None or wish.if_range not in (None, etag):
        return Part(200, 0, length)
    return _range(wish.range, length)


def _names(tags: str, etag: str) -> bool:
    return tags.strip() == "*" or etag in _TAG.findall(tags)


def _range(wanted: str, length: int) -> Part:
    match = _RANGE.fullmatch(wanted)
    # Several parts, and what is no range: servers may answer with the whole.
    if match is None or match.groups() == ("", ""):
        return Part(200, 0, length)
    first, last = match.groups()
    if not first:
        count = min(int(last), length)
        return Part(206, length - count, count) if count else Part(416, 0, 0)
    start = int(first)
    stop = min(int(last), length - 1) if last else length - 1
    if last and int(last) < start:
        return Part(200, 0, length)
    return Part(206, start, stop - start + 1) if start < length else Part(416, 0, 0)
