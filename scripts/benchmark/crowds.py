"""The scenarios of large rooms, and of accounts in many rooms."""

import json
from functools import partial
from urllib.parse import quote

from .connection import Answer
from .measurement import Work
from .scenarios import Inhabitant, arriving, delivering, inhabitant, scenario, timed
from .stage import Stage
from .user import CLIENT, accepted

ROOMS = 500
MESSAGES = 5
MEMBERS = 2000


@scenario(turns=5)
async def fan_out_1000(stage: Stage) -> Work:
    """As fan_out, in a room of 1,000 members, all of whom are waiting."""
    return await delivering(stage, await stage.crowd())


@scenario(turns=10)
async def initial_sync_500(stage: Stage) -> Work:
    """As initial_sync_50, of an account in 500 rooms with five members and their 5 latest messages."""
    return await arriving(await _well_known(stage), MESSAGES)


@scenario(turns=10)
async def initial_sync_500_lazy(stage: Stage) -> Work:
    """The same with lazily loaded members, for the same account."""
    return await arriving(await _well_known(stage), MESSAGES, lazy=True)


async def _well_known(stage: Stage) -> Inhabitant:
    return await stage.once(_well_known, lambda: inhabitant(stage, stage.scaled(ROOMS, 2), MESSAGES))


@scenario(turns=40)
async def members_2000(stage: Stage) -> Work:
    """One /members of a room of 2,000, all but one of them invited; one after the other."""
    (owner,) = await stage.users(1)
    room = await stage.room([owner])
    target = f"{CLIENT}/rooms/{quote(room.room_id)}"
    server_name = owner.user_id.partition(":")[2]
    members = stage.scaled(MEMBERS, 2)

    async def invite(number: int) -> None:
        body = json.dumps({"user_id": f"@guest{number}:{server_name}"}).encode()
        accepted(await owner.connection.request("POST", f"{target}/invite", body))

    for number in range(1, members):
        await invite(number)

    def is_right(answer: Answer) -> bool:
        return len(answer.json()["chunk"]) == members

    return Work([timed(partial(owner.connection.request, "GET", f"{target}/members"))], is_right)
