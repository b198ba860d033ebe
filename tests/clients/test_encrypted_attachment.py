"""A file goes to an encrypted room, and is decrypted by what matrix-nio says in the message about it."""

import asyncio
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from nio import EncryptionError, RoomEncryptedFile
from nio.crypto import decrypt_attachment, encrypt_attachment

from tests.clients.encrypted_room import SETTINGS, Devices, encrypted_room, know_each_other
from tests.clients.talker import Talker, success
from tests.processes import ServerProcess

MINUTES = b"What was said at the moot." * 1000


@pytest.fixture
def server(database: Mapping[str, Any]) -> Iterator[ServerProcess]:
    with ServerProcess({**SETTINGS, **database}) as server:
        yield server


def test_a_file_is_read_on_every_device(server: ServerProcess, tmp_path: Path) -> None:
    asyncio.run(_attach(server.url, tmp_path))


async def _attach(url: str, stores: Path) -> None:
    async with Devices(url, stores) as devices:
        alice, bob = [await devices.of_new_user(name) for name in ("alice", "bob")]
        laptop = await devices.of_known_user("bob")
        room_id = await encrypted_room([alice, bob])
        await know_each_other([alice, bob, laptop], room_id)
        received = {device: _files_of(device) for device in (bob, laptop)}
        encrypted, file = encrypt_attachment(MINUTES)
        uploaded, _ = await alice.client.upload(
            lambda *_: BytesIO(encrypted), "application/octet-stream", "minutes.txt", filesize=len(encrypted)
        )
        uri = success(uploaded).content_uri
        content = {
            "msgtype": "m.file",
            "body": "minutes.txt",
            "file": {**file, "url": uri},
        }
        sent = await alice.client.room_send(
            room_id, "m.room.message", content, ignore_unverified_devices=True
        )
        success(sent)
        for device, files in received.items():
            await device.until(lambda files=files: files)  # type: ignore[misc] # mypy cannot infer its default
            (event,) = files
            assert (event.sender, event.body, event.url) == (alice.user_id, content["body"], uri)
            downloaded = success(await device.client.download(event.url)).body
            assert _decrypted(downloaded, event) == MINUTES
            with pytest.raises(EncryptionError):
                _decrypted(downloaded[:-1] + b"?", event)


def _files_of(device: Talker) -> list[RoomEncryptedFile]:
    files: list[RoomEncryptedFile] = []
    device.client.add_event_callback(lambda _, event: files.append(event), RoomEncryptedFile)
    return files


def _decrypted(encrypted: bytes, event: RoomEncryptedFile) -> bytes:
    return bytes(decrypt_attachment(encrypted, event.key["k"], event.hashes["sha256"], event.iv))
