"""Pictures for tests, friendly and hostile."""

import struct
import zlib
from io import BytesIO

from PIL import Image

BLUE, ORANGE = (0, 0, 255), (255, 128, 0)


def picture(width: int, height: int, kind: str = "PNG", mode: str = "RGB", **options: object) -> bytes:
    """The left half is blue, the right half orange."""
    image = Image.new("RGB", (width, height), BLUE)
    image.paste(ORANGE, (width // 2, 0, width, height))
    return encoded(image.convert(mode), kind, **options)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def animation(width: int, height: int, frames: int, kind: str = "GIF") -> bytes:
    first, *rest = [
        Image.new("RGB", (width, height), (i * 40 % 256, 10 * i % 256, 99)) for i in range(frames)
    ]
    return encoded(first, kind, save_all=True, append_images=rest, duration=80, loop=0)


def decoded(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image


def png_bomb(side: int) -> bytes:
    """A PNG of `side` times `side` grey pixels, whose header is honest."""
    rows = zlib.compressobj(9)
    row = b"\0" + b"\0" * side
    data = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)),
            _chunk(b"IDAT", data),
            _chunk(b"IEND", b""),
        )
    )


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """A small PNG with more chunks after its header."""
    whole = picture(40, 40)
    end_of_header = 8 + 25
    return whole[:end_of_header] + b"".join(_chunk(*chunk) for chunk in chunks) + whole[end_of_header:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
