from typing import Any
from unittest.mock import patch

from PIL import Image

from config.media import ThumbnailSize
from homeserver.media.pictures import workers
from homeserver.media.pictures.jobs import Job
from homeserver.media.tests.media import CONTENT
from homeserver.media.tests.pictures import BLUE, ORANGE, animation, decoded, encoded, picture, png_bomb
from homeserver.media.thumbnails import size_to_make
from tests.client import Answer
from tests.remote_media import RemoteMediaTestCase
from tests.wire import each

THUMBNAIL = "/_matrix/client/v1/media/thumbnail"
FROZEN_THUMBNAIL = "/_matrix/media/v3/thumbnail"
DAY = 24 * 3600


class ThumbnailTestCase(RemoteMediaTestCase):
    def thumbnail(self, path: str, width: int = 96, height: int = 96, **query: Any) -> Answer:
        return self.alice.get(THUMBNAIL + path, width=width, height=height, **query)

    def size(self, path: str, width: int, height: int, method: str = "scale") -> tuple[int, int]:
        answer = self.thumbnail(path, width, height, method=method)
        self.assertEqual(answer.status, 200, answer.body)
        return decoded(answer.body).size

    def assert_coloured(self, image: Image.Image, place: tuple[int, int], colour: tuple[int, ...]) -> None:
        """More or less, as JPEG has it."""
        found = image.getpixel(place)
        assert isinstance(found, tuple), "a picture in colours"
        for part, expected in zip(found, colour, strict=True):
            self.assertLess(abs(part - expected), 30, found)


class ThumbnailTests(ThumbnailTestCase):
    settings = ("max_image_pixels=4M",)

    def test_scaled(self) -> None:
        path = self.uploaded(picture(1000, 500))
        self.assertEqual(self.size(path, 300, 200), (320, 160))
        self.assertEqual(self.size(path, 640, 100), (640, 320))
        # None is smaller than was asked for, and none larger than the picture.
        self.assertEqual(self.size(path, 801, 1), (1000, 500))
        self.assertEqual(self.size(path, 10**9, 10**9), (1000, 500))

    def test_cropped(self) -> None:
        path = self.uploaded(picture(1000, 500))
        answer = self.thumbnail(path, 90, 90, method="crop")
        image = decoded(answer.body)
        self.assertEqual(image.size, (96, 96))
        self.assert_coloured(image, (10, 50), BLUE)
        self.assert_coloured(image, (85, 50), ORANGE)
        self.assertEqual(self.size(path, 20, 20, "crop"), (32, 32))
        self.assertEqual(self.size(path, 100, 100, "crop"), (192, 192))
        self.assertEqual(self.size(self.uploaded(picture(20, 60)), 96, 96, "crop"), (20, 20))

    def test_what_it_is(self) -> None:
        def check(case: tuple[bytes, str]) -> None:
            content, kind = case
            answer = self.thumbnail(self.uploaded(content, "application/x-anything"))
            self.assertEqual((answer.status, answer.headers["content-type"]), (200, kind))
            self.assertEqual(answer.headers["content-disposition"], "inline")
            self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
            self.assertEqual(f"image/{(decoded(answer.body).format or '').lower()}", kind)

        half = Image.new("RGBA", (300, 300), (*ORANGE, 128))
        opaque = Image.new("RGBA", (300, 300), (*ORANGE, 255))
        each(
            check,
            [
                (picture(300, 300, "JPEG"), "image/jpeg"),
                (picture(300, 300, "PNG"), "image/jpeg"),
                (picture(300, 300, "WEBP"), "image/jpeg"),
                (picture(300, 300, "GIF"), "image/jpeg"),
                (picture(300, 300, "JPEG", "CMYK"), "image/jpeg"),
                (picture(300, 300, "PNG", "1"), "image/jpeg"),
                (picture(300, 300, "PNG", "L"), "image/jpeg"),
                (encoded(Image.new("I;16", (300, 300), 30_000)), "image/jpeg"),
                (encoded(Image.new("LA", (300, 300), (3, 4))), "image/png"),
                (encoded(half), "image/png"),
                (encoded(half, "WEBP"), "image/png"),
                (encoded(half.convert("P"), transparency=0), "image/png"),
                (encoded(opaque), "image/jpeg"),
            ],
        )

    def test_turned_as_the_camera_was(self) -> None:
        exif = Image.Exif()
        # Orientation, and where it was taken.
        exif[0x0112] = 6
        exif[0x010E] = "at home"
        path = self.uploaded(picture(800, 400, "JPEG", exif=exif.tobytes()))
        answer = self.thumbnail(path, 320, 240)
        image = decoded(answer.body)
        self.assertEqual(image.size, (120, 240))
        self.assert_coloured(image, (60, 20), BLUE)
        self.assert_coloured(image, (60, 220), ORANGE)

    def test_nothing_is_told_of_where_it_was_taken(self) -> None:
        exif = Image.Exif()
        exif[0x010E] = "at home"
        exif.get_ifd(0x8825)[1] = "N"

        def check(kind: str) -> None:
            content = picture(400, 400, kind, exif=exif.tobytes(), xmp=b"<x>at home</x>", comment=b"at home")
            self.assertIn(b"at home", content)
            answer = self.thumbnail(self.uploaded(content))
            image = decoded(answer.body)
            self.assertEqual(dict(image.getexif()), {})
            self.assertNotIn(b"at home", answer.body)

        each(check, ["JPEG", "WEBP", "PNG"])

    def test_made_once(self) -> None:
        first, second = self.uploaded(picture(300, 300)), self.uploaded(picture(300, 300))
        etag = self.thumbnail(first).headers["etag"]
        self.assertEqual(self.count("media_thumbnail"), 1)
        with patch.object(workers.Workers, "make", side_effect=AssertionError("made again")):
            self.assertEqual(self.thumbnail(second).headers["etag"], etag)
            self.assertEqual(self.thumbnail(second, 90, 90).headers["etag"], etag)

    def test_what_is_no_picture(self) -> None:
        def check(content: bytes) -> None:
            self.assertEqual(self.thumbnail(self.uploaded(content)).error, (400, "M_UNKNOWN"))

        each(check, [b"", b"hello", CONTENT, picture(300, 300)[:200], b"GIF89a" + b"\0" * 20, b"<svg/>"])

    def test_failures_are_remembered_for_a_day(self) -> None:
        path = self.uploaded(picture(300, 300)[:200])
        self.thumbnail(path)
        with patch.object(workers.Workers, "make", side_effect=AssertionError("tried again")):
            self.assertEqual(self.thumbnail(path).error, (400, "M_UNKNOWN"))
        self.assertEqual(self.count("media_thumbnail"), 1)
        self.advance(DAY + 3600)
        self.assertEqual(self.count("media_thumbnail"), 0)

    def test_too_many_pixels(self) -> None:
        content = png_bomb(3000)
        self.assertLess(len(content), 50_000)
        self.assertEqual(self.thumbnail(self.uploaded(content)).error, (413, "M_TOO_LARGE"))
        self.assertEqual(self.thumbnail(self.serve(content)).error, (502, "M_TOO_LARGE"))

    def test_of_other_servers(self) -> None:
        path = self.serve(picture(300, 300))
        self.assertEqual(self.size(path, 96, 96, "crop"), (96, 96))
        self.assertEqual(self.thumbnail("/remote.example/nothing").error, (404, "M_NOT_FOUND"))

    def test_for_other_servers(self) -> None:
        media_id = self.uploaded(picture(300, 300)).rpartition("/")[2]
        path = f"/_matrix/federation/v1/media/thumbnail/{media_id}"
        answer = self.other_server().get(path, width=32, height=32, method="crop")
        self.assertTrue(answer.headers["content-type"].startswith("multipart/mixed; boundary="))
        self.assertIn(
            b"\r\nContent-Type: image/jpeg\r\nContent-Disposition: inline\r\n\r\n\xff\xd8\xff", answer.body
        )
        self.assertEqual(self.alice.get(path, width=32, height=32).status, 401)

    def test_what_is_asked_for_wrongly(self) -> None:
        path = THUMBNAIL + self.uploaded(picture(300, 300))
        self.assertEqual(self.alice.get(path).error, (400, "M_MISSING_PARAM"))
        self.assertEqual(self.alice.get(path, width=10).error, (400, "M_MISSING_PARAM"))
        for wrong in ({"width": 0}, {"height": -1}, {"width": "a"}, {"method": "fill"}, {"animated": "x"}):
            query: dict[str, Any] = {"width": 10, "height": 10, **wrong}
            self.assertEqual(self.alice.request("GET", path, query=query).error, (400, "M_INVALID_PARAM"))

    def test_who_may(self) -> None:
        path = self.uploaded(picture(300, 300))
        self.assertEqual(self.anonymous.get(THUMBNAIL + path, width=9, height=9).status, 401)
        answer = self.anonymous.get(FROZEN_THUMBNAIL + path, width=9, height=9)
        self.assertEqual(answer.error, (404, "M_NOT_FOUND"))

    def test_what_is_to_be_uploaded_yet(self) -> None:
        path = "/" + self.alice.post("/_matrix/media/v1/create")["content_uri"].removeprefix("mxc://")
        self.assertEqual(self.thumbnail(path, timeout_ms=0).error, (504, "M_NOT_YET_UPLOADED"))


class AnimationTests(ThumbnailTestCase):
    settings = ("dynamic_thumbnails=true", "max_image_pixels=1M")

    def test_only_where_it_is_asked_for(self) -> None:
        for kind in ("GIF", "WEBP", "PNG"):
            path = self.uploaded(animation(200, 100, 5, kind))
            for query in ({}, {"animated": False}):
                image = decoded(self.thumbnail(path, 50, 50, **query).body)
                self.assertFalse(getattr(image, "is_animated", False))
            answer = self.thumbnail(path, 50, 50, animated=True)
            self.assertEqual(answer.headers["content-type"], "image/webp")
            image = decoded(answer.body)
            self.assertEqual((image.size, getattr(image, "n_frames", 1)), ((50, 25), 5))

    def test_what_does_not_move(self) -> None:
        answer = self.thumbnail(self.uploaded(picture(200, 100)), 50, 50, animated=True)
        self.assertEqual(answer.headers["content-type"], "image/jpeg")

    def test_too_long_ones_stand_still(self) -> None:
        answer = self.thumbnail(self.uploaded(animation(40, 40, 300)), 64, 64, animated=True)
        self.assertEqual(answer.headers["content-type"], "image/jpeg")

    def test_any_size(self) -> None:
        self.assertEqual(self.size(self.uploaded(picture(500, 500)), 57, 33, "crop"), (57, 33))


class OpenThumbnailTests(ThumbnailTestCase):
    settings = ("enable_authenticated_media=false",)

    def test_for_everybody(self) -> None:
        path = self.uploaded(picture(300, 300))
        for version in ("v3", "r0", "v1"):
            url = f"/_matrix/media/{version}/thumbnail{path}"
            self.assertEqual(self.anonymous.get(url, width=32, height=32, method="crop").status, 200)
        url = FROZEN_THUMBNAIL + self.serve(picture(200, 200))
        query = {"width": 9, "height": 9}
        self.assertEqual(self.anonymous.get(url, **query, allow_remote=False).status, 404)
        self.assertEqual(self.anonymous.get(url, **query).status, 200)


def test_sizes() -> None:
    sizes = [
        ThumbnailSize(width=width, height=height, method="scale")
        for width, height in ((320, 240), (800, 600))
    ]
    made = {
        (1, 1): (320, 240),
        (320, 240): (320, 240),
        (320, 241): (800, 600),
        (801, 600): (1600, 1200),
        (100_000, 1): (12_800, 9_600),
    }
    for (width, height), size in made.items():
        assert size_to_make(Job(width, height, "scale", False), sizes)[:2] == size
    assert size_to_make(Job(10, 20, "crop", True), sizes) == (10, 20, "crop", True)
    assert size_to_make(Job(10, 20_000, "crop", True), ()) == (10, 8192, "crop", True)
