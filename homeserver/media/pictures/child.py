"""The program that makes thumbnails, in a process of its own.

On a socket it gets jobs: a JSON object with two open files, the picture and where its thumbnail goes. Each is
answered by a JSON object. It opens nothing itself, and has nothing of the server. Whatever goes wrong, it is killed.
"""

import json
import os
import resource
import socket
from io import BytesIO
from typing import IO, Any

from PIL import Image, ImageCms, ImageOps, ImageSequence

from homeserver.media.pictures.jobs import Job, Made

# Each decoder is code that strangers' bytes go through, so these must do.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
# The others that tell of several pictures do not mean that one should follow the other.
_ANIMATED = frozenset({"PNG", "WEBP", "GIF"})
_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})
_QUALITY = 80
_USUAL_DURATION_MS = 100
_LONGEST_JOB = 4096
_MOST_OUTPUT = 64 * 1024 * 1024
_NICE = 10


class TooLarge(Exception):
    """The picture has more pixels than are looked at."""


def make(source: IO[bytes], target: IO[bytes], job: Job, max_pixels: int) -> Made:
    """Writes the thumbnail. Raises TooLarge, and anything for what is no picture."""
    Image.MAX_IMAGE_PIXELS = max_pixels
    with Image.open(source, formats=_FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise TooLarge
        size = image.size[::-1] if _is_sideways(image) else image.size
        if job.animated and image.format in _ANIMATED and getattr(image, "is_animated", False):
            frames = getattr(image, "n_frames", 1)
            if frames * job.width * job.height <= max_pixels:
                return Made(_make_animated(image, target, job), *size)
        return Made(_make_still(image, target, job), *size)


def _make_still(image: Image.Image, target: IO[bytes], job: Job) -> str:
    turned = _is_sideways(image)
    image.draft(
        "RGB", _needed(image.size, (job.height, job.width) if turned else (job.width, job.height), job.method)
    )
    profile = image.info.get("icc_profile")
    thumbnail = _in_standard_colours(_smaller(_upright(image), job), profile)
    if thumbnail.mode == "RGBA" and thumbnail.getchannel("A").getextrema() != (255, 255):
        _without_metadata(thumbnail).save(target, "PNG", optimize=True)
        return "image/png"
    _without_metadata(thumbnail.convert("RGB")).save(target, "JPEG", quality=_QUALITY, optimize=True)
    return "image/jpeg"


def _make_animated(image: Image.Image, target: IO[bytes], job: Job) -> str:
    loop, frames, durations = image.info.get("loop", 0), [], []
    for frame in ImageSequence.Iterator(image):
        durations.append(int(frame.info.get("duration") or _USUAL_DURATION_MS))
        frames.append(_without_metadata(_smaller(frame.convert("RGBA"), job)))
    first, *rest = frames
    first.save(
        target, "WEBP", save_all=True, append_images=rest, duration=durations, loop=loop, quality=_QUALITY
    )
    return "image/webp"


def _needed(size: tuple[int, int], wanted: tuple[int, int], method: str) -> tuple[int, int]:
    """How large a JPEG must be decoded, so that making it smaller leaves no traces."""
    ratios = (wanted[0] / size[0], wanted[1] / size[1])
    ratio = 2 * (max(ratios) if method == "crop" else min(ratios))
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _smaller(image: Image.Image, job: Job) -> Image.Image:
    """Never larger than the picture was."""
    image = _with_plain_pixels(image)
    if job.method == "crop":
        ratio = min(1, image.width / job.width, image.height / job.height)
        size = (max(1, round(job.width * ratio)), max(1, round(job.height * ratio)))
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    image.thumbnail((job.width, job.height), Image.Resampling.LANCZOS)
    return image


def _with_plain_pixels(image: Image.Image) -> Image.Image:
    """As RGB or RGBA, because palettes and the like do not mix; CMYK stays for its profile's sake."""
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("RGB", "RGBA", "CMYK"):
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _is_sideways(image: Image.Image) -> bool:
    return _orientation(image) in _SIDEWAYS


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        # There are more ways to be no EXIF than anybody has listed.
        return 1


def _upright(image: Image.Image) -> Image.Image:
    if _orientation(image) == 1:
        return image
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        # As above; the picture may be good all the same.
        return image


def _in_standard_colours(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Thumbnails carry no profile, so their colours must be those that everybody takes them for."""
    if not profile:
        return image.convert("RGB") if image.mode == "CMYK" else image
    mode = "RGB" if image.mode == "CMYK" else image.mode
    try:
        own, standard = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, own, standard, outputMode=mode)
    except Exception:
        # A profile that is none; the colours may be a little off.
        converted = None
    return image.convert(mode) if converted is None else converted


def _without_metadata(image: Image.Image) -> Image.Image:
    # Encoders write some of what decoders left here.
    image.info = {}
    return image


def _limit(memory: int) -> None:
    os.nice(_NICE)
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, _MOST_OUTPUT),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _answer(source: int, target: int, job: Job, max_pixels: int) -> dict[str, Any]:
    with open(source, "rb") as picture, open(target, "wb") as thumbnail:
        try:
            return make(picture, thumbnail, job, max_pixels)._asdict()
        except (TooLarge, Image.DecompressionBombError):
            return {"too_large": True}
        except Exception as error:
            return {"failed": f"{type(error).__name__}: {error}"[:200]}


def main(memory: int, max_pixels: int, descriptor: int) -> None:
    """Takes jobs from a socket until its other end is closed; `memory` is in bytes."""
    _limit(memory)
    jobs = socket.socket(fileno=descriptor)
    while True:
        message, files, _, _ = socket.recv_fds(jobs, _LONGEST_JOB, 2)
        if not message:
            return
        source, target = files
        jobs.send(json.dumps(_answer(source, target, Job(**json.loads(message)), max_pixels)).encode())
