"""Pictures that were made to do harm, and processes that are killed for it."""

import os
import struct
import zlib
from collections.abc import Iterator
from random import Random
from tempfile import TemporaryFile
from typing import IO, BinaryIO, cast

import pytest
from PIL import Image
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from homeserver.media.pictures import workers
from homeserver.media.pictures.jobs import Job
from homeserver.media.pictures.workers import NoPicture, PictureTooLarge, Workers
from homeserver.media.tests.pictures import animation, decoded, encoded, picture, png_bomb, png_with
from homeserver.runtime.threads import InlineThreads

MAX_PIXELS = 1024 * 1024
JOB = Job(96, 96, "crop", animated=True)


@pytest.fixture
def made() -> Iterator["Made"]:
    making = Made(Workers(InlineThreads(), MAX_PIXELS))
    yield making
    making.stop()


class Made:
    def __init__(self, pool: Workers) -> None:
        self.pool = pool

    def __call__(self, content: bytes, job: Job = JOB) -> bytes:
        with TemporaryFile() as source, TemporaryFile() as target:
            source.write(content)
            source.flush()
            source.seek(0)
            done = Deferred.fromCoroutine(self.pool.make(_binary(source), _binary(target), job))
            outcomes: list[object] = []
            done.addBoth(outcomes.append)
            if isinstance(outcomes[0], Failure):
                outcomes[0].raiseException()
            target.seek(0)
            return target.read()

    def stop(self) -> None:
        Deferred.fromCoroutine(self.pool.stop())

    def is_well(self) -> bool:
        return decoded(self(picture(200, 200))).size == (96, 96)


def _binary(file: IO[bytes]) -> BinaryIO:
    return cast(BinaryIO, file)


def gif(screen: tuple[int, int], frame: tuple[int, int], rest: bytes) -> bytes:
    descriptor = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0)
    return b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + descriptor + rest


CORPUS = {
    "a PNG that claims to be huge": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\2\0\0\0aaaa",
    "a PNG without pixels": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\0\x08\2\0\0\0aaaa",
    "a PNG bomb": png_bomb(4000),
    "a text bomb": png_with((b"zTXt", b"a\0\0" + zlib.compress(b"a" * 80_000_000, 9))),
    "a profile bomb": png_with((b"iCCP", b"a\0\0" + zlib.compress(b"a" * 80_000_000, 9))),
    "a profile that is none": png_with((b"iCCP", b"a\0\0" + zlib.compress(b"nonsense"))),
    "EXIF that is none": png_with((b"eXIf", b"MM\0*\xff\xff\xff\xff")),
    "EXIF that goes round in circles": png_with((b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\x08")),
    "an animation of 2^31 frames": png_with((b"acTL", struct.pack(">II", 2**31 - 1, 0))),
    "a GIF whose frame is larger than it": gif((1, 1), (60_000, 60_000), b"\2\0\0;"),
    "a GIF whose screen is huge": gif((65_535, 65_535), (1, 1), b"\2\2D\1\0;"),
    "a GIF that ends in the midst": gif((100, 100), (100, 100), b"\x08\xff"),
    "a GIF of 20,000 frames": gif(
        (9, 9), (1, 1), (b"\2\2D\1\0," + struct.pack("<HHHHB", 0, 0, 1, 1, 0)) * 20_000
    ),
    "a JPEG of markers": b"\xff\xd8" + b"\xff\xe1\xff\xff" * 100_000,
    "a JPEG that claims to be huge": picture(64, 64, "JPEG").replace(b"\0\x40\0\x40", b"\xff\xff\xff\xff", 1),
    "a JPEG cut off": picture(640, 640, "JPEG", progressive=True)[:-600],
    "a WebP that claims to be huge": b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + b"\xff" * 6 + b"ANIM",
    "a TIFF": encoded(Image.new("RGB", (9, 9)), "TIFF"),
    "a BMP": encoded(Image.new("RGB", (9, 9)), "BMP"),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "nothing": b"",
}


@pytest.mark.parametrize("name", CORPUS)
def test_corpus(made: Made, name: str) -> None:
    try:
        thumbnail = decoded(made(CORPUS[name]))
    except (NoPicture, PictureTooLarge):
        pass
    else:
        assert max(thumbnail.size) <= 96
    assert made.is_well()


def test_bytes_by_chance(made: Made) -> None:
    chance = Random(1)
    wholes = [picture(90, 90, kind) for kind in ("PNG", "JPEG", "WEBP", "GIF")] + [animation(60, 60, 4)]
    for number in range(int(os.environ.get("FOLKMOOT_TEST_EXAMPLES", "100"))):
        content = bytearray(wholes[number % len(wholes)])
        for _ in range(chance.randint(1, 20)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            made(bytes(content[: chance.randint(1, len(content))]) if number % 3 == 0 else bytes(content))
        except (NoPicture, PictureTooLarge):
            continue
    assert made.is_well()


def test_what_takes_too_long_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_PROGRAM", "import time; time.sleep(60)")
    made = Made(Workers(InlineThreads(), MAX_PIXELS, seconds=0.5))
    with pytest.raises(NoPicture, match="memory or time"):
        made(picture(9, 9))
    monkeypatch.undo()
    made.pool._seconds = 20
    assert made.is_well()
    made.stop()


def test_what_takes_too_much_memory_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_MEMORY_OF_PIXEL", 0)
    made = Made(Workers(InlineThreads(), 100 * MAX_PIXELS))
    with pytest.raises(NoPicture):
        made(encoded(Image.new("RGBA", (9000, 9000))))
    made.stop()


def test_a_process_serves_many(made: Made) -> None:
    assert made.is_well()
    process = made.pool._idle[0]._process.pid
    assert made.is_well()
    assert [worker._process.pid for worker in made.pool._idle] == [process]


def test_one_that_died_is_replaced(made: Made) -> None:
    assert made.is_well()
    process = made.pool._idle[0]._process
    process.kill()
    process.wait()
    assert made.is_well()


def test_none_is_left_at_the_end(made: Made) -> None:
    assert made.is_well()
    process = made.pool._idle[0]._process
    made.stop()
    assert process.poll() is not None


def test_it_ends_with_the_server(made: Made) -> None:
    assert made.is_well()
    worker = made.pool._idle[0]
    worker._socket.close()
    assert worker._process.wait(10) == 0
