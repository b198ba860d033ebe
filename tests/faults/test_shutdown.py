"""An operator stops the server: whoever waits is answered, whoever works finishes, and it is over soon."""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any

from scripts.benchmark.connection import Connection
from scripts.benchmark.user import Registration, User, next_batch
from scripts.loopback import SHARED_SECRET, free_port
from tests.faults.evidence import check_nothing_was_lost
from tests.faults.load import PATIENCE, gather_crowd
from tests.faults.soundness import check_sound
from tests.processes import ServerProcess

SOON = 10.0  # seconds, of which the long polls below would take 60
POLLS = 5


def test_long_polls_are_answered() -> None:
    metrics_port = free_port()
    with ServerProcess({"enable_metrics": True, "metrics_port": metrics_port}) as server:
        asyncio.run(_stop_while_clients_wait(server, f"http://127.0.0.1:{metrics_port}"))


async def _stop_while_clients_wait(server: ServerProcess, metrics: str) -> None:
    users = [await _register(server.url) for _ in range(POLLS)]
    since = [next_batch(await user.sync(timeout="0")) for user in users]
    polls = [
        asyncio.create_task(user.sync(since=token, timeout="60000"))
        for user, token in zip(users, since, strict=True)
    ]
    await _until_all_wait(metrics)
    started = time.monotonic()
    stopping = asyncio.create_task(asyncio.to_thread(server.stop))
    answers = await asyncio.gather(*polls)
    assert await stopping == 0
    assert time.monotonic() - started < SOON
    assert [next_batch(answer) for answer in answers] == since
    assert "Traceback" not in server.log


async def _register(url: str) -> User:
    answer, user = await Registration(url, SHARED_SECRET).register()
    assert user is not None, answer
    return user


async def _until_all_wait(metrics: str) -> None:
    connection = Connection(metrics)
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await connection.request("GET", "/metrics")
            found = re.search(rb"^folkmoot_sync_waiting (\S+)$", answer.body, re.MULTILINE)
            assert found, answer
            if float(found[1]) == POLLS:
                break
            await asyncio.sleep(0.02)
    connection.close()


def test_work_under_way_is_finished(database: Mapping[str, Any]) -> None:
    with ServerProcess(database) as server:
        asyncio.run(_stop_under_load(server))
        assert "Traceback" not in server.log
        assert server.stop() == 0
        check_sound(server)


async def _stop_under_load(server: ServerProcess) -> None:
    crowd = await gather_crowd(server.url, seed=1)
    async with crowd:
        for _ in range(2):
            await crowd.until_acknowledged(50)
            started = time.monotonic()
            assert await asyncio.to_thread(server.stop) == 0
            assert time.monotonic() - started < SOON
            await asyncio.to_thread(server.start)
        await crowd.until_acknowledged(50)
    assert not crowd.failures
    await check_nothing_was_lost(crowd)
