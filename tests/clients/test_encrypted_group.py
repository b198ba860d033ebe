"""Three people with five devices talk in an encrypted room by matrix-nio, which encrypts with vodozemac."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from nio import Api, EncryptionError, Event, MegolmEvent, RoomGetEventError

from tests.clients.encrypted_room import (
    SETTINGS,
    Devices,
    encrypted_room,
    everybody_speaks,
    know_each_other,
)
from tests.clients.talker import Talker, success
from tests.processes import ServerProcess


@pytest.fixture
def server(database: Mapping[str, Any]) -> Iterator[ServerProcess]:
    with ServerProcess({**SETTINGS, **database}) as server:
        yield server


def test_every_message_is_read_on_every_device(server: ServerProcess, tmp_path: Path) -> None:
    asyncio.run(_talk(server, tmp_path))


async def _talk(server: ServerProcess, stores: Path) -> None:
    async with Devices(server.url, stores) as devices:
        phones = [await devices.of_new_user(name) for name in ("alice", "bob", "carol")]
        laptops = [await devices.of_known_user(name) for name in ("alice", "bob")]
        room_id = await encrypted_room(phones)
        talking = [*phones, *laptops]
        await know_each_other(talking, room_id)
        await everybody_speaks(talking, room_id, "before the restart")
        assert await asyncio.to_thread(server.stop) == 0
        await asyncio.to_thread(server.start)
        await everybody_speaks(talking, room_id, "after it")
        # A device that was not there before reads what is said from now on.
        late = await devices.of_known_user("carol")
        talking.append(late)
        await know_each_other(talking, room_id)
        for device in talking:
            # The session that they have is not for the newcomer.
            device.client.invalidate_outbound_session(room_id)
        await everybody_speaks(talking, room_id, "on a new device")
        # Nor is anything sent in the clear.
        assert all(device.client.rooms[room_id].encrypted for device in talking)
        assert not any(device.unreadable for device in talking if device is not late)


def test_who_left_reads_nothing_more(server: ServerProcess, tmp_path: Path) -> None:
    asyncio.run(_leave(server.url, tmp_path))


async def _leave(url: str, stores: Path) -> None:
    async with Devices(url, stores) as devices:
        alice, bob, carol = [await devices.of_new_user(name) for name in ("alice", "bob", "carol")]
        laptop = await devices.of_known_user("bob")
        room_id = await encrypted_room([alice, bob, carol])
        everybody = [alice, bob, carol, laptop]
        await know_each_other(everybody, room_id)
        await everybody_speaks(everybody, room_id, "all together")
        success(await carol.client.room_leave(room_id))
        remaining = [alice, bob, laptop]
        for device in remaining:
            await _sees_leave(device, room_id, carol.user_id)
        await everybody_speaks(remaining, room_id, "without carol")
        for device in remaining:
            # Nobody goes on with the key that carol has.
            said = await device.say(room_id, "among us")
            await _cannot_read(carol, room_id, await _as_sent(alice, room_id, said))
        assert not any(device.unreadable for device in remaining)


async def _sees_leave(device: Talker, room_id: str, user_id: str) -> None:
    await device.until(lambda: user_id not in device.client.rooms[room_id].users)


async def _as_sent(device: Talker, room_id: str, event_id: str) -> MegolmEvent:
    """The event as the server has it; `room_get_event` would decrypt it."""
    target = Api.room_get_event(device.client.access_token, room_id, event_id)
    event = Event.parse_encrypted_event(await (await device.client.send(*target)).json())
    assert isinstance(event, MegolmEvent)
    event.room_id = room_id
    return event


async def _cannot_read(device: Talker, room_id: str, event: MegolmEvent) -> None:
    """The server does not give it to the device, and who got it otherwise could not decrypt it."""
    refused = await device.client.room_get_event(room_id, event.event_id)
    assert isinstance(refused, RoomGetEventError)
    assert refused.status_code in ("M_NOT_FOUND", "M_FORBIDDEN")
    with pytest.raises(EncryptionError):
        device.client.decrypt_event(event)
