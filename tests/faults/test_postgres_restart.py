"""PostgreSQL goes away and comes back while everybody talks: requests fail clearly, and then go on by themselves."""

import asyncio
import signal
from collections.abc import Iterator
from unittest import SkipTest

import pytest

from scripts.benchmark.postgres import PostgresServer, PostgresUnavailable, find_binaries
from tests.faults.evidence import check_nothing_was_lost
from tests.faults.load import gather_crowd
from tests.faults.soundness import check_sound
from tests.processes import ServerProcess


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """As durable as PostgreSQL is by default, unlike the one that other tests share."""
    try:
        find_binaries()
    except PostgresUnavailable as reason:
        raise SkipTest(str(reason)) from reason
    with PostgresServer() as server:
        yield server


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["orderly", "crash"])
def test_nothing_acknowledged_is_lost(postgres: PostgresServer, how: signal.Signals) -> None:
    database = {"name": "psycopg2", "args": {**postgres.create_database()}}
    with ServerProcess({"database": database}) as server:
        asyncio.run(_restart_under_load(server, postgres, how))
        assert "PostgreSQL cannot be reached" in server.log
        assert "Traceback" not in server.log
        assert server.stop() == 0
        check_sound(server)


async def _restart_under_load(server: ServerProcess, postgres: PostgresServer, how: signal.Signals) -> None:
    crowd = await gather_crowd(server.url, seed=1)
    async with crowd:
        for _ in range(4):
            await crowd.until_acknowledged(50)
            await asyncio.to_thread(postgres.halt, how)
            await crowd.until_failures(20)
            await asyncio.to_thread(postgres.go_on)
        await crowd.until_acknowledged(50)
    assert {answer.status for answer in crowd.failures} == {503}
    await check_nothing_was_lost(crowd)
