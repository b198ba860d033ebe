"""Pictures without a library: what is needed of https://www.w3.org/TR/png-3/."""

import secrets
import struct
import zlib


def noisy_picture(side: int) -> bytes:
    """A PNG of `side` times `side` coloured pixels, another each time."""
    row = b"\0" + secrets.token_bytes(3 * side)
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(row[:1] + row[i:] + row[1:i] for i in range(1, side + 1)), 1)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
