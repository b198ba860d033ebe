"""The server is killed at random instants, in the middle of its work and of its start, and loses nothing.

FOLKMOOT_TEST_KILLS says how often on each engine, FOLKMOOT_TEST_SEED which instants.
"""

import asyncio
import os
from collections.abc import Mapping
from random import Random
from typing import Any

from tests.faults.evidence import check_nothing_was_lost
from tests.faults.load import gather_crowd
from tests.faults.soundness import check_sound
from tests.processes import ServerProcess

KILLS = int(os.environ.get("FOLKMOOT_TEST_KILLS", "5"))
SEED = int(os.environ.get("FOLKMOOT_TEST_SEED", "1"))


def test_nothing_acknowledged_is_lost(database: Mapping[str, Any]) -> None:
    print(f"FOLKMOOT_TEST_SEED={SEED} FOLKMOOT_TEST_KILLS={KILLS}")
    with ServerProcess(database) as server:
        asyncio.run(_hammer_and_kill(server, Random(SEED)))
        assert "Traceback" not in server.log
        assert server.stop() == 0
        check_sound(server)


async def _hammer_and_kill(server: ServerProcess, rng: Random) -> None:
    crowd = await gather_crowd(server.url, SEED)
    async with crowd:
        await crowd.until_acknowledged(50)
        for _ in range(KILLS):
            await asyncio.sleep(rng.uniform(0, 1))
            server.kill()
            if rng.random() < 0.3:
                await _die_while_starting(server, rng.uniform(0, 0.8))
            await asyncio.to_thread(server.start)
            await crowd.until_acknowledged(50)
    assert sum(sender.asking.broken_off for sender in crowd.senders) >= KILLS, (
        "it was idle when it was killed"
    )
    assert not crowd.failures
    await check_nothing_was_lost(crowd)


async def _die_while_starting(server: ServerProcess, after: float) -> None:
    """`after` is in seconds; the start is over in about one."""
    server.spawn()
    await asyncio.sleep(after)
    server.kill()
