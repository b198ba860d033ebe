"""The scenarios of finding rooms and people where there are many: on a scale of one, 5,000 and 10,000."""

import asyncio
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from .connection import Answer
from .measurement import Work
from .scenarios import scenario, timed
from .stage import Stage, side_by_side
from .user import CLIENT, ROOM_VERSION, User, accepted

ROOMS = 5000
PEOPLE = 10000
PAGE = 20
_SUBJECTS = ("chess", "cycling", "gardens", "harbour", "libraries", "markets", "music", "railways")


@dataclass(frozen=True)
class Town:
    """A space with all rooms of the town in it, all of them public; in the first one are all its people."""

    visitor: User
    room_ids: Sequence[str]
    space_id: str


async def _town(stage: Stage) -> Town:
    return await stage.once(_town, lambda: _build(stage))


async def _build(stage: Stage) -> Town:
    builders = await stage.senders()
    shares = [range(first, stage.scaled(ROOMS, 2), len(builders)) for first in range(len(builders))]
    built = await asyncio.gather(*map(_build_rooms, builders, shares))
    room_ids = list(itertools.chain(*built))
    space = {"creation_content": {"type": "m.space"}, "preset": "public_chat", "room_version": ROOM_VERSION}
    space_id = accepted(await _post(builders[0], "/createRoom", space))["room_id"]
    server_name = builders[0].user_id.partition(":")[2]

    async def add(room_id: str) -> None:
        target = f"{CLIENT}/rooms/{quote(space_id)}/state/m.space.child/{quote(room_id)}"
        body = json.dumps({"via": [server_name]}).encode()
        accepted(await builders[0].connection.request("PUT", target, body))

    for room_id in room_ids:
        await add(room_id)
    return Town(builders[1], room_ids, space_id)


async def _build_rooms(builder: User, numbers: Sequence[int]) -> list[str]:
    built = []
    for number in numbers:
        subject = _SUBJECTS[number % len(_SUBJECTS)]
        room = {
            "name": f"{subject.title()} {number}",
            "topic": f"All about {subject}",
            "preset": "public_chat",
            "visibility": "public",
            "room_version": ROOM_VERSION,
        }
        built.append(accepted(await _post(builder, "/createRoom", room))["room_id"])
    return built


async def _post(user: User, path: str, body: object) -> Answer:
    return await user.connection.request("POST", f"{CLIENT}{path}", json.dumps(body).encode())


@scenario(turns=60)
async def public_rooms_5000(stage: Stage) -> Work:
    """One page of 20 of the public rooms, of which there are 5,000; every other one of those whose name or topic holds
    a word that every eighth has."""
    town = await _town(stage)
    bodies = itertools.cycle(
        [{"limit": PAGE}, {"limit": PAGE, "filter": {"generic_search_term": _SUBJECTS[0]}}]
    )
    expected = min(PAGE, len(town.room_ids) // len(_SUBJECTS))

    async def look() -> Answer:
        return await _post(town.visitor, "/publicRooms", next(bodies))

    return Work([timed(look)], lambda answer: len(answer.json()["chunk"]) >= expected)


@scenario(turns=60)
async def hierarchy_5000(stage: Stage) -> Work:
    """One page of 20 of /hierarchy of a space with 5,000 rooms, the second, which lists none of its children."""
    town = await _town(stage)
    target = f"/_matrix/client/v1/rooms/{quote(town.space_id)}/hierarchy?limit={PAGE}"
    first = accepted(await town.visitor.connection.request("GET", target))
    # Where the space is small, there is one page only.
    target += f"&from={quote(first['next_batch'])}" if "next_batch" in first else ""
    look = partial(town.visitor.connection.request, "GET", target)
    return Work([timed(look)], lambda answer: bool(answer.json()["rooms"]))


@scenario(turns=60)
async def user_search_10000(stage: Stage) -> Work:
    """One search for one of 10,000 users who are in a public room, by ten letters of their name or by what all
    of them have in common, in turn."""
    town = await _town(stage)
    people = await stage.users(stage.scaled(PEOPLE, 8))

    async def join(user: User) -> None:
        accepted(await user.join(town.room_ids[0]))

    await side_by_side(join, people)
    names = [user.user_id[1:].partition(":")[0] for user in random.Random(1).sample(people, 8)]
    terms = itertools.cycle(term for name in names for term in (name, "bench"))

    async def look() -> Answer:
        return await _post(town.visitor, "/user_directory/search", {"search_term": next(terms), "limit": 10})

    return Work([timed(look)], lambda answer: bool(answer.json()["results"]))
