"""An application service on mautrix that encrypts and never asks for anything: all that it knows, it is sent."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mautrix.appservice import AppService
from mautrix.appservice.state_store import FileASStateStore
from mautrix.client import Client
from mautrix.client.state_store import MemoryStateStore
from mautrix.crypto import OlmMachine
from mautrix.crypto.store import MemoryCryptoStore, StateStore
from mautrix.errors import SessionNotFound
from mautrix.types import (
    EncryptedEvent,
    Event,
    EventType,
    Membership,
    MessageType,
    RoomID,
    StateEvent,
    UserID,
)

from scripts.loopback import free_port
from tests.clients.encrypted_room import (
    SETTINGS,
    Devices,
    speaks_with,
)
from tests.clients.talker import success
from tests.processes import ServerProcess

_ROBOT = "@robot:localhost"


class Rooms(MemoryStateStore, StateStore):  # type: ignore[misc]  # both are of mautrix, and agree when they run
    """What the service knows of its rooms, with what encryption asks besides."""

    async def find_shared_rooms(self, user_id: UserID) -> list[RoomID]:
        return [room_id for room_id, members in self.members.items() if user_id in members]


class EncryptedService:
    """Its one user says what it hears."""

    def __init__(self, url: str, port: int, directory: Path) -> None:
        self._port = port
        self._service = AppService(
            url,
            "localhost",
            "as_secret",
            "hs_secret",
            "robot",
            "robot",
            state_store=FileASStateStore(str(directory / "state.json"), binary=False),
            ephemeral_events=True,
            encryption_events=True,
        )
        self._rooms = Rooms()
        self._client = Client(mxid=_ROBOT, base_url=url, state_store=self._rooms, token="as_secret")
        self.typing: list[list[str]] = []

    async def start(self) -> None:
        await self._client.create_device_msc4190("ROBOT", "robot")
        keys = MemoryCryptoStore(self._client.device_id, "unused, as nothing is written")
        self._machine = OlmMachine(self._client, keys, self._rooms)
        self._client.crypto = self._machine
        await self._machine.load()
        await self._machine.share_keys()
        self._service.to_device_handler = self._machine.handle_as_to_device_event
        self._service.otk_handler = self._machine.handle_as_otk_counts
        self._service.device_list_handler = self._machine.handle_as_device_lists
        self._service.matrix_event_handler(self._hear)
        await self._service.start(port=self._port)
        # It is there from now on.
        await self._service.ping_self()

    async def stop(self) -> None:
        await self._service.stop()
        await self._client.api.session.close()

    async def _hear(self, event: Event) -> None:
        if isinstance(event, StateEvent):
            await self._rooms.update_state(event)
            if event.state_key == _ROBOT and event.content.membership == Membership.INVITE:
                await self._client.join_room_by_id(event.room_id)
                await self._client.get_joined_members(event.room_id)
                await self._client.get_state_event(event.room_id, EventType.ROOM_ENCRYPTION)
        elif isinstance(event, EncryptedEvent) and event.sender != _ROBOT:
            heard = await self._decrypted(event)
            if heard.content.msgtype == MessageType.TEXT:
                await self._client.send_notice(event.room_id, heard.content.body)
        elif event.type == EventType.TYPING:
            self.typing.append(list(event.content.user_ids))

    async def _decrypted(self, event: EncryptedEvent) -> Event:
        try:
            return await self._machine.decrypt_megolm_event(event)
        except SessionNotFound as missing:
            await self._machine.wait_for_session(event.room_id, missing.session_id, timeout=30)
            return await self._machine.decrypt_megolm_event(event)


@pytest.fixture
def registration(tmp_path: Path) -> Path:
    file = tmp_path / "robot.yaml"
    fields = {
        "id": "robot",
        "url": f"http://127.0.0.1:{free_port()}",
        "as_token": "as_secret",
        "hs_token": "hs_secret",
        "sender_localpart": "robot",
        "namespaces": {},
        "receive_ephemeral": True,
        "org.matrix.msc3202": True,
    }
    # JSON is YAML.
    file.write_text(json.dumps(fields))
    return file


@pytest.fixture
def server(registration: Path) -> Iterator[ServerProcess]:
    with ServerProcess({**SETTINGS, "app_service_config_files": [str(registration)]}) as server:
        yield server


@asynccontextmanager
async def running(server: ServerProcess, registration: Path) -> AsyncIterator[EncryptedService]:
    port = int(json.loads(registration.read_text())["url"].rpartition(":")[2])
    service = EncryptedService(server.url, port, registration.parent)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


def test_it_decrypts_and_answers(server: ServerProcess, registration: Path, tmp_path: Path) -> None:
    asyncio.run(_answers(server, registration, tmp_path / "stores"))


async def _answers(server: ServerProcess, registration: Path, stores: Path) -> None:
    stores.mkdir()
    async with running(server, registration) as service, Devices(server.url, stores) as devices:
        alice = await devices.of_new_user("alice")
        room_id = await speaks_with(alice, _ROBOT)
        success(await alice.client.room_typing(room_id))
        await alice.until(lambda: [alice.user_id] in service.typing)
