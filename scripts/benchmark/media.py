"""The scenarios of files. What they hold is noise, another each time, so that no server has seen it before."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from .connection import Answer
from .measurement import Trip, Work
from .png import noisy_picture
from .scenarios import scenario, timed
from .stage import Stage
from .user import User, accepted

UPLOAD = "/_matrix/media/v3/upload"
MEDIA = "/_matrix/client/v1/media"
MIB = 1024 * 1024
AT_ONCE = 4
PICTURES = 50
PICTURE_SIDE = 1500


async def _upload(user: User, content: bytes) -> Answer:
    return await user.connection.request("POST", UPLOAD, content, "image/png")


async def _download(user: User, path: str) -> Answer:
    return await user.connection.request("GET", f"{MEDIA}/download/{path}")


async def _uploads(stage: Stage, size: int, at_once: int) -> Work:
    users = (await stage.senders())[:at_once]
    rest = secrets.token_bytes(size - 16)

    async def upload(user: User) -> Answer:
        # All but the first bytes is the same, as noise takes longer to make than to send.
        return await _upload(user, secrets.token_bytes(16) + rest)

    return Work([timed(partial(upload, user)) for user in users], _has_uri)


async def _downloads(stage: Stage, size: int, at_once: int) -> Work:
    users = (await stage.senders())[:at_once]
    content = secrets.token_bytes(size)
    path = _path(await _upload(users[0], content))
    return Work(
        [timed(partial(_download, user, path)) for user in users], lambda answer: answer.body == content
    )


def _has_uri(answer: Answer) -> bool:
    return str(answer.json()["content_uri"]).startswith("mxc://")


def _path(answer: Answer) -> str:
    return str(accepted(answer)["content_uri"]).removeprefix("mxc://")


@scenario(turns=100)
async def upload_1_mib(stage: Stage) -> Work:
    """One upload of 1 MiB that nobody has uploaded before; four at once."""
    return await _uploads(stage, MIB, AT_ONCE)


@scenario(turns=10)
async def upload_20_mib(stage: Stage) -> Work:
    """One upload of 20 MiB that nobody has uploaded before; two at once."""
    return await _uploads(stage, 20 * MIB, 2)


@scenario(turns=100)
async def download_1_mib(stage: Stage) -> Work:
    """One download of a file of 1 MiB as a whole; four at once."""
    return await _downloads(stage, MIB, AT_ONCE)


@scenario(turns=10)
async def download_20_mib(stage: Stage) -> Work:
    """One download of a file of 20 MiB as a whole; two at once."""
    return await _downloads(stage, 20 * MIB, 2)


@scenario(turns=1)
async def thumbnail_rush(stage: Stage) -> Work:
    """One GET /versions while thumbnails of 50 pictures of 1500 by 1500 pixels are asked for, ten at once: does that
    hold up the others? The uploads before that count towards the CPU alone."""
    *users, onlooker = (await stage.senders())[:11]
    picture = noisy_picture(PICTURE_SIDE)

    async def upload(user: User) -> list[str]:
        # What comes after a picture makes it another file.
        each = [picture + secrets.token_bytes(16) for _ in range(PICTURES // len(users))]
        return [_path(await _upload(user, content)) for content in each]

    async def look(user: User, paths: Sequence[str]) -> None:
        for path in paths:
            target = f"{MEDIA}/thumbnail/{path}?width=800&height=600&method=scale"
            answer = await user.connection.request("GET", target)
            if answer.status != 200:
                raise ValueError(f"no thumbnail: {answer.status}")

    async def rush() -> Sequence[Trip]:
        uploaded = [await upload(user) for user in users]
        work: Any = asyncio.gather(*map(look, users, uploaded))
        trips = []
        while not work.done():
            started = time.perf_counter()
            answer = await onlooker.connection.request("GET", "/_matrix/client/versions")
            trips.append(Trip(time.perf_counter() - started, answer))
            await asyncio.sleep(0.01)
        await work
        return trips

    return Work([rush], lambda answer: isinstance(answer.json()["versions"], list))
