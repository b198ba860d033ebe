"""An encrypted conversation of clients whose users are of both servers, by matrix-nio."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from synapse_compat_tests.client import PASSWORD
from synapse_compat_tests.federation.servers import Federated, Pair
from tests.clients.encrypted_room import encrypted_room, everybody_speaks, know_each_other
from tests.clients.talker import Talker


def test_made_by_ours(pair: Pair, tmp_path: Path) -> None:
    asyncio.run(_talk(pair.folkmoot, pair.synapse, tmp_path))


def test_made_by_synapse(pair: Pair, tmp_path: Path) -> None:
    asyncio.run(_talk(pair.synapse, pair.folkmoot, tmp_path))


async def _talk(home: Federated, away: Federated, stores: Path) -> None:
    """Every device reads every message, also one that its user logs in on meanwhile."""
    alice, bob = home.register("alice").user_id, away.register("bob").user_id

    async def device(server: Federated, user_id: str) -> Talker:
        store = stores / str(len(list(stores.iterdir())))
        store.mkdir()
        talker = Talker(server.process.url, user_id, store)
        return await open_devices.enter_async_context(await talker.log_in(PASSWORD))

    async with AsyncExitStack() as open_devices:
        talking = [await device(home, alice), await device(away, bob)]
        room_id = await encrypted_room(talking)
        await know_each_other(talking, room_id)
        await everybody_speaks(talking, room_id, "between servers")
        talking.append(await device(away, bob))
        await know_each_other(talking, room_id)
        for one in talking:
            # The session that they have is not for the newcomer.
            one.client.invalidate_outbound_session(room_id)
        await everybody_speaks(talking, room_id, "on one more device")
        assert all(one.client.rooms[room_id].encrypted for one in talking)
        assert not any(one.unreadable for one in talking[:2])
