"""A bridge on mautrix, which nobody here wrote, talks to a server that is a process of its own."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.clients.bridge import Bridge
from tests.clients.encrypted_room import SETTINGS
from tests.clients.talker import Talker, success
from tests.processes import ServerProcess

EVENTS = int(os.environ.get("FOLKMOOT_TEST_EVENTS", "300"))
SEED = int(os.environ.get("FOLKMOOT_TEST_SEED", "1"))
KILLS = 3
_CAROL = "@_irc_carol:localhost"


@pytest.fixture
def bridge(tmp_path: Path) -> Bridge:
    return Bridge(tmp_path)


@pytest.fixture
def server(database: Mapping[str, Any], bridge: Bridge) -> Iterator[ServerProcess]:
    settings = {"app_service_config_files": [str(bridge.registration)]}
    with ServerProcess({**SETTINGS, **settings, **database}) as server:
        yield server


@asynccontextmanager
async def running(bridge: Bridge, server: ServerProcess) -> AsyncIterator[None]:
    await bridge.start(server.url)
    try:
        yield
    finally:
        await bridge.stop()


async def bridged_room(bridge: Bridge, alice: Talker) -> str:
    """A room of Alice's, to which a ghost was invited, and came."""
    await bridge.ghost("carol").ensure_registered()
    room_id = str(success(await alice.client.room_create(invite=[_CAROL])).room_id)
    await bridge.until(lambda: room_id in bridge.heard.invites(_CAROL))
    await bridge.ghost("carol").ensure_joined(room_id)  # type: ignore[arg-type]  # it is a NewType of str
    await alice.until(lambda: room_id in alice.client.rooms)
    await alice.until(lambda: _CAROL in alice.client.rooms[room_id].users)
    return room_id


def test_ghosts_are_invited_and_talk(server: ServerProcess, bridge: Bridge) -> None:
    asyncio.run(_talk(server, bridge))


async def _talk(server: ServerProcess, bridge: Bridge) -> None:
    async with running(bridge, server), await Talker(server.url, "alice").register() as alice:
        room_id = await bridged_room(bridge, alice)
        carol = bridge.ghost("carol")
        await carol.set_displayname("Carol (IRC)")
        await alice.until(lambda: alice.client.rooms[room_id].users[_CAROL].display_name == "Carol (IRC)")
        for number in range(5):
            await alice.say(room_id, f"to {number}")
            await bridge.until(lambda number=number: f"to {number}" in bridge.heard.bodies)  # type: ignore[misc]  # mypy cannot infer its default
            await carol.send_text(room_id, f"fro {number}")  # type: ignore[arg-type]  # it is a NewType of str
            await alice.hears([f"fro {number}"])
        said = [f"{way} {number}" for number in range(5) for way in ("to", "fro")]
        await bridge.until(lambda: len(bridge.heard.bodies) == len(said))
        assert bridge.heard.bodies == said


def test_events_arrive_once_and_in_order(server: ServerProcess, bridge: Bridge) -> None:
    """FOLKMOOT_TEST_EVENTS of them, while acknowledgements are lost, and either side is killed at random instants."""
    asyncio.run(_arrive(server, bridge, Random(SEED)))


async def _arrive(server: ServerProcess, bridge: Bridge, random: Random) -> None:
    async with running(bridge, server), await Talker(server.url, "alice").register() as alice:
        room_id = await bridged_room(bridge, alice)
        bridge.losing = lambda: random.random() < 0.1
        sent: list[str] = []

        async def send_all() -> None:
            for number in range(EVENTS):
                sent.append(await alice.say(room_id, f"{number}"))

        async with asyncio.TaskGroup() as group:
            group.create_task(send_all())
            for death, who in _deaths(random):
                await bridge.until(lambda death=death: len(sent) >= death)  # type: ignore[misc]  # mypy cannot infer its default
                await _kill(who, server, bridge)
        bridge.losing = lambda: False
        await bridge.wake()
        await bridge.until(lambda: len(bridge.heard.bodies) >= EVENTS)
        # Were anything sent again, it would be before this.
        last = await alice.say(room_id, "the last")
        await bridge.until(lambda: bridge.heard.events[-1].event_id == last)
        heard = [event.event_id for event in bridge.heard.events if str(event.type) == "m.room.message"]
        assert heard == [*sent, last]
        assert bridge.heard.bodies[:-1] == [str(number) for number in range(EVENTS)]
        assert len(bridge.heard.transactions) > KILLS


def _deaths(random: Random) -> list[tuple[int, str]]:
    """After how many events who dies."""
    return sorted((random.randrange(EVENTS), who) for who in ("server", "bridge") for _ in range(KILLS))


async def _kill(who: str, server: ServerProcess, bridge: Bridge) -> None:
    if who == "server":
        server.kill()
        await asyncio.to_thread(server.start)
        return
    await bridge.stop()
    await asyncio.sleep(0.2)
    await bridge.start(server.url)
    await bridge.wake()
