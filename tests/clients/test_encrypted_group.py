"""Three people with five devices talk in an encrypted room by matrix-nio, which encrypts with vodozemac."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.clients.talker import Talker, success
from tests.processes import ServerProcess

_OFTEN = {"per_second": 1000, "burst_count": 1000}
SETTINGS = {
    "enable_registration": True,
    "enable_registration_without_verification": True,
    "bcrypt_rounds": 4,
    "rc_login": {"address": _OFTEN, "account": _OFTEN},
    "rc_registration": _OFTEN,
    "rc_message": _OFTEN,
}
ENCRYPTION = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}


@pytest.fixture
def server(database: Mapping[str, Any]) -> Iterator[ServerProcess]:
    with ServerProcess({**SETTINGS, **database}) as server:
        yield server


def test_every_message_is_read_on_every_device(server: ServerProcess, tmp_path: Path) -> None:
    asyncio.run(_talk(server, tmp_path))


async def _talk(server: ServerProcess, keys: Path) -> None:
    async with AsyncExitStack() as stack:
        phones = [
            await stack.enter_async_context(await _device(server, name, keys).register())
            for name in ("alice", "bob", "carol")
        ]
        laptops = [
            await stack.enter_async_context(await _device(server, name, keys).log_in())
            for name in ("alice", "bob")
        ]
        room_id = await _encrypted_room(phones)
        devices = [*phones, *laptops]
        for device in devices:
            await _knows_devices(device, room_id, len(devices) - 1)
        await _everybody_speaks(devices, room_id, "before the restart")
        assert await asyncio.to_thread(server.stop) == 0
        await asyncio.to_thread(server.start)
        await _everybody_speaks(devices, room_id, "after it")
        # A device that was not there before reads what is said from now on.
        late = await stack.enter_async_context(await _device(server, "carol", keys).log_in())
        devices.append(late)
        for device in devices:
            await _knows_devices(device, room_id, len(devices) - 1)
        for device in devices:
            # The session that they have is not for the newcomer.
            device.client.invalidate_outbound_session(room_id)
        await _everybody_speaks(devices, room_id, "on a new device")
        # Nor is anything sent in the clear.
        assert all(device.client.rooms[room_id].encrypted for device in devices)
        assert not any(device.unreadable for device in devices if device is not late)


def _device(server: ServerProcess, name: str, keys: Path) -> Talker:
    number = len(list(keys.iterdir()))
    store = keys / f"{number}"
    store.mkdir()
    return Talker(server.url, name, store)


async def _encrypted_room(people: Sequence[Talker]) -> str:
    owner, *others = people
    made = await owner.client.room_create(
        invite=[other.user_id for other in others], initial_state=[ENCRYPTION]
    )
    room_id = str(success(made).room_id)
    for other in others:
        await other.until(lambda other=other: room_id in other.client.invited_rooms)  # type: ignore[misc] # mypy cannot infer its default
        success(await other.client.join(room_id))
    return room_id


async def _knows_devices(device: Talker, room_id: str, number: int) -> None:
    """Waits until a device has the keys of all others."""
    client = device.client

    def known() -> bool:
        return room_id in client.rooms and len(list(client.device_store)) >= number

    await device.until(known)


async def _everybody_speaks(devices: Sequence[Talker], room_id: str, when: str) -> None:
    for number, speaker in enumerate(devices):
        body = f"{speaker.user_id} on device {number}, {when}"
        await speaker.say(room_id, body)
        for listener in devices:
            await listener.hears([body])
