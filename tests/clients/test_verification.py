"""People compare emoji, and new devices are given old keys, by matrix-nio."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from nio import KeyVerificationCancel, OlmUnverifiedDeviceError, RoomMessageText
from nio.crypto import Sas

from tests.clients.encrypted_room import SETTINGS, Devices, encrypted_room, know_each_other
from tests.clients.talker import Talker, success
from tests.processes import ServerProcess


@pytest.fixture
def server(database: Mapping[str, Any]) -> Iterator[ServerProcess]:
    with ServerProcess({**SETTINGS, **database}) as server:
        yield server


def test_two_people_verify_each_other(server: ServerProcess, tmp_path: Path) -> None:
    asyncio.run(_verify(server.url, tmp_path))


async def _verify(url: str, stores: Path) -> None:
    async with Devices(url, stores) as devices:
        alice, bob = [await devices.of_new_user(name) for name in ("alice", "bob")]
        room_id = await encrypted_room([alice, bob])
        await know_each_other([alice, bob], room_id)
        with pytest.raises(OlmUnverifiedDeviceError):
            await _say_to_verified_devices(alice, room_id, "whoever you are")
        await _verify_each_other(alice, bob)
        for speaker, listener in ((alice, bob), (bob, alice)):
            body = f"{speaker.user_id} knows who you are"
            await _say_to_verified_devices(speaker, room_id, body)
            await listener.hears([body])


def test_who_sees_other_emoji_ends_it_for_both(server: ServerProcess, tmp_path: Path) -> None:
    asyncio.run(_reject(server.url, tmp_path))


async def _reject(url: str, stores: Path) -> None:
    async with Devices(url, stores) as devices:
        alice, bob = [await devices.of_new_user(name) for name in ("alice", "bob")]
        await know_each_other([alice, bob], await encrypted_room([alice, bob]))
        told: list[KeyVerificationCancel] = []
        alice.client.add_to_device_callback(told.append, KeyVerificationCancel)
        transaction_id, of_alice, _ = await _compare(alice, bob)
        success(await bob.client.cancel_key_verification(transaction_id, reject=True))
        await alice.until(lambda: of_alice.canceled)
        assert [(cancel.transaction_id, cancel.code) for cancel in told] == [
            (transaction_id, "m.mismatched_sas")
        ]
        assert not _is_verified(alice, bob)
        assert not _is_verified(bob, alice)


def test_a_verified_device_is_given_the_keys_of_old_messages(server: ServerProcess, tmp_path: Path) -> None:
    asyncio.run(_share_keys(server.url, tmp_path))


async def _share_keys(url: str, stores: Path) -> None:
    async with Devices(url, stores) as devices:
        phone, bob = [await devices.of_new_user(name) for name in ("alice", "bob")]
        room_id = await encrypted_room([phone, bob])
        await know_each_other([phone, bob], room_id)
        await bob.say(room_id, "before the laptop")
        await phone.hears(["before the laptop"])
        laptop = await devices.of_known_user("alice")
        await know_each_other([phone, bob, laptop], room_id)
        (unreadable,) = laptop.unreadable
        # Once the phone has sent it something, there is a session in which the answer can come.
        phone.client.invalidate_outbound_session(room_id)
        await phone.say(room_id, "welcome")
        await laptop.hears(["welcome"])
        success(await laptop.client.request_room_key(unreadable))
        device_id = str(laptop.client.device_id)
        await phone.until(lambda: phone.client.get_active_key_requests(phone.user_id, device_id))
        await _verify_each_other(laptop, phone)
        (request,) = phone.client.get_active_key_requests(phone.user_id, device_id)
        assert phone.client.continue_key_share(request)
        await phone.client.send_to_device_messages()
        await laptop.until(lambda: not laptop.client.outgoing_key_requests)
        read = laptop.client.decrypt_event(unreadable)
        assert isinstance(read, RoomMessageText)
        assert (read.sender, read.body) == (bob.user_id, "before the laptop")


async def _say_to_verified_devices(speaker: Talker, room_id: str, body: str) -> None:
    content = {"msgtype": "m.text", "body": body}
    success(await speaker.client.room_send(room_id, "m.room.message", content))


async def _verify_each_other(asking: Talker, asked: Talker) -> None:
    transaction_id, *both = await _compare(asking, asked)
    for device in (asking, asked):
        success(await device.client.confirm_short_auth_string(transaction_id))
    for device, other, comparison in ((asking, asked, both[0]), (asked, asking, both[1])):
        await device.until(lambda comparison=comparison: comparison.verified)  # type: ignore[misc] # mypy cannot infer its default
        assert _is_verified(device, other)


async def _compare(asking: Talker, asked: Talker) -> tuple[str, Sas, Sas]:
    """The transaction ID, and both sides once they show the same emoji."""
    device = asking.client.device_store[asked.user_id][asked.client.device_id]
    success(await asking.client.start_key_verification(device))
    (transaction_id,) = asking.client.key_verifications
    await asked.until(lambda: transaction_id in asked.client.key_verifications)
    success(await asked.client.accept_key_verification(transaction_id))
    sides = []
    for talker in (asking, asked):
        side = talker.client.key_verifications[transaction_id]
        await talker.until(lambda side=side: side.established_sas)  # type: ignore[misc] # mypy cannot infer its default
        sides.append(side)
    asking_side, asked_side = sides
    assert len(asking_side.get_emoji()) == 7
    assert asking_side.get_emoji() == asked_side.get_emoji()
    return transaction_id, asking_side, asked_side


def _is_verified(device: Talker, other: Talker) -> bool:
    return bool(device.client.device_store[other.user_id][other.client.device_id].verified)
