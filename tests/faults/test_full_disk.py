"""The disk is full: the server says so, keeps what it has acknowledged, still answers, and goes on when there is room.

A limit on the size of the process's files stands in for the disk, so that nobody need be root.
"""

import asyncio
import resource

from tests.faults.evidence import check_nothing_was_lost
from tests.faults.load import gather_crowd
from tests.faults.soundness import check_sound
from tests.processes import ServerProcess

ROOM_LEFT = 64 * 1024  # bytes


def test_nothing_acknowledged_is_lost() -> None:
    with ServerProcess() as server:
        asyncio.run(_fill_the_disk(server))
        assert "SQLite cannot use its file" in server.log
        assert "Traceback" not in server.log
        assert server.stop() == 0
        check_sound(server)


async def _fill_the_disk(server: ServerProcess) -> None:
    crowd = await gather_crowd(server.url, seed=1)
    async with crowd:
        await crowd.until_acknowledged(50)
        _fill_up(server)
        await crowd.until_failures(50)
        # What needs no room is still done.
        await crowd.listener.timeline(crowd.room_ids[0])
        _make_room(server)
        await crowd.until_acknowledged(50)
        _fill_up(server)
        await crowd.until_failures(50)
        server.kill()
        await asyncio.to_thread(server.start)
        await crowd.until_acknowledged(50)
    assert {answer.status for answer in crowd.failures} == {503}
    await check_nothing_was_lost(crowd)


def _fill_up(server: ServerProcess) -> None:
    largest = max(path.stat().st_size for path in server.directory.glob("homeserver.db*"))
    _limit_files(server, largest + ROOM_LEFT)


def _make_room(server: ServerProcess) -> None:
    _limit_files(server, resource.RLIM_INFINITY)


def _limit_files(server: ServerProcess, size: int) -> None:
    """No file of the running server may be larger than `size` bytes."""
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
