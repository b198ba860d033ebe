"""An encrypted room and the matrix-nio devices in it, which encrypt with vodozemac."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from tests.clients.talker import Talker, success

_OFTEN = {"per_second": 1000, "burst_count": 1000}
SETTINGS = {
    "enable_registration": True,
    "enable_registration_without_verification": True,
    "bcrypt_rounds": 4,
    "rc_login": {"address": _OFTEN, "account": _OFTEN},
    "rc_registration": _OFTEN,
    "rc_message": _OFTEN,
}
_ENCRYPTION = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}


class Devices(AsyncExitStack):
    """Makes devices that sync for as long as the block lasts, each with a store of its own."""

    def __init__(self, url: str, stores: Path) -> None:
        super().__init__()
        self._url = url
        self._stores = stores

    async def of_new_user(self, name: str) -> Talker:
        return await self.enter_async_context(await self._device(name).register())

    async def of_known_user(self, name: str) -> Talker:
        return await self.enter_async_context(await self._device(name).log_in())

    def _device(self, name: str) -> Talker:
        store = self._stores / str(len(list(self._stores.iterdir())))
        store.mkdir()
        return Talker(self._url, name, store)


async def encrypted_room(people: Sequence[Talker]) -> str:
    """The room that the first of them made, and the others were invited to and joined."""
    owner, *others = people
    made = await owner.client.room_create(
        invite=[other.user_id for other in others], initial_state=[_ENCRYPTION]
    )
    room_id = str(success(made).room_id)
    for other in others:
        await other.until(lambda other=other: room_id in other.client.invited_rooms)  # type: ignore[misc] # mypy cannot infer its default
        success(await other.client.join(room_id))
    return room_id


async def know_each_other(devices: Sequence[Talker], room_id: str) -> None:
    """Waits until each device has the keys of all others."""
    for device in devices:
        await _knows(device, room_id, len(devices) - 1)


async def _knows(device: Talker, room_id: str, number: int) -> None:
    client = device.client

    def known() -> bool:
        return room_id in client.rooms and len(list(client.device_store)) >= number

    await device.until(known)


async def everybody_speaks(devices: Sequence[Talker], room_id: str, when: str) -> None:
    """Each device says something that all of them read."""
    for number, speaker in enumerate(devices):
        body = f"{speaker.user_id} on device {number}, {when}"
        await speaker.say(room_id, body)
        for listener in devices:
            await listener.hears([body])


async def has_come(alice: Talker, room_id: str, user_id: str) -> None:
    """To nio, who is invited is there already."""

    def has_come() -> bool:
        users = alice.client.rooms[room_id].users
        return user_id in users and not users[user_id].invited

    await alice.until(has_come)


async def speaks_with(alice: Talker, robot: str) -> str:
    """Invites a bot, which says what it hears, into an encrypted room; the room. Nothing is sent in the clear."""
    room_id = await encrypted_room([alice])
    success(await alice.client.room_invite(room_id, robot))
    await alice.until(lambda: room_id in alice.client.rooms)
    await has_come(alice, room_id, robot)
    await know_each_other([alice], room_id)
    await alice.until(lambda: list(alice.client.device_store.active_user_devices(robot)))
    await is_echoed(alice, room_id)
    assert alice.client.rooms[room_id].encrypted
    assert not alice.unreadable
    return room_id


async def is_echoed(alice: Talker, room_id: str) -> None:
    """A bot in the room says what it hears."""
    said: list[str] = []
    for number in range(3):
        said.append(f"Is there anybody? {number}")
        await alice.say(room_id, said[-1])
        await alice.until(lambda: [notice.body for notice in alice.notices] == said)
