"""Two people talk with matrix-nio, which nobody here wrote, over a server that is a process of its own."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
from nio import ReceiptEvent

from tests.clients.talker import PATIENCE, Heard, Talker, success
from tests.processes import ServerProcess

OPEN = {"enable_registration": True, "enable_registration_without_verification": True}
PAGE = 10


@pytest.fixture
def server(database: Mapping[str, Any]) -> Iterator[ServerProcess]:
    with ServerProcess({**OPEN, **database}) as server:
        yield server


async def room_of(alice: Talker, bob: Talker) -> str:
    """A room that one made, and the other was invited to and joined."""
    made = success(await alice.client.room_create(name="The Moot", topic="Talk", invite=[bob.user_id]))
    room_id = str(made.room_id)
    await bob.until(lambda: room_id in bob.client.invited_rooms)
    success(await bob.client.join(room_id))
    await bob.until(lambda: room_id in bob.client.rooms)
    await alice.until(lambda: room_id in alice.client.rooms)
    await alice.until(lambda: bob.user_id in alice.client.rooms[room_id].users)
    return room_id


def test_two_people_talk(server: ServerProcess) -> None:
    asyncio.run(_talk(server.url))


async def _talk(url: str) -> None:
    registered = await Talker(url, "alice").register()
    success(await registered.client.logout())
    await registered.client.close()
    async with await Talker(url, "alice").log_in() as alice, await Talker(url, "bob").register() as bob:
        room_id = await room_of(alice, bob)
        room = bob.client.rooms[room_id]
        assert (room.name, room.topic) == ("The Moot", "Talk")
        said = await _exchange(alice, bob, room_id)
        await _type_and_read(alice, bob, room_id, said[-1].event_id)
        await _change_profile(alice, bob, room_id)
        assert await alice.history(room_id, PAGE) == await bob.history(room_id, PAGE) == said


async def _exchange(alice: Talker, bob: Talker, room_id: str) -> list[Heard]:
    """Messages to and fro, each answered only when it was heard; enough for several pages."""
    said = []
    for number in range(3 * PAGE):
        speaker, listener = (alice, bob) if number % 2 else (bob, alice)
        body = f'{number}: þ 🐟 \u2028 "quoted" \\ </html>'
        said.append(Heard(await speaker.say(room_id, body), speaker.user_id, body))
        await listener.hears([body])
    await alice.until(lambda: len(alice.heard) == len(said))
    assert alice.heard == said
    await bob.until(lambda: len(bob.heard) == len(said))
    assert bob.heard == said
    return said


async def _type_and_read(alice: Talker, bob: Talker, room_id: str, event_id: str) -> None:
    success(await alice.client.room_typing(room_id, True, timeout=20_000))
    await bob.until(lambda: bob.client.rooms[room_id].typing_users == [alice.user_id])
    success(await alice.client.room_typing(room_id, False))
    await bob.until(lambda: bob.client.rooms[room_id].typing_users == [])
    receipts: list[ReceiptEvent] = []
    alice.client.add_ephemeral_callback(lambda _, receipt: receipts.append(receipt), ReceiptEvent)
    success(await bob.client.room_read_markers(room_id, event_id, event_id))
    await alice.until(lambda: receipts)
    (read,) = receipts[0].receipts
    assert (read.user_id, read.event_id, read.receipt_type) == (bob.user_id, event_id, "m.read")


async def _change_profile(alice: Talker, bob: Talker, room_id: str) -> None:
    success(await alice.client.set_displayname("Alice of the Moot"))
    await bob.until(
        lambda: bob.client.rooms[room_id].users[alice.user_id].display_name == "Alice of the Moot"
    )
    success(await alice.client.set_avatar("mxc://localhost/alice"))
    await bob.until(
        lambda: bob.client.rooms[room_id].users[alice.user_id].avatar_url == "mxc://localhost/alice"
    )
    profile = success(await bob.client.get_profile(alice.user_id))
    assert (profile.displayname, profile.avatar_url) == ("Alice of the Moot", "mxc://localhost/alice")


def test_they_go_on_when_the_server_was_killed_while_they_talked(server: ServerProcess) -> None:
    asyncio.run(_talk_on(server, deaths=3, messages_between=25))


async def _talk_on(server: ServerProcess, deaths: int, messages_between: int) -> None:
    async with AsyncExitStack() as stack:
        alice = await stack.enter_async_context(await Talker(server.url, "alice").register())
        bob = await stack.enter_async_context(await Talker(server.url, "bob").register())
        room_id = await room_of(alice, bob)
        acknowledged: list[Heard] = []
        stopping = asyncio.Event()

        async def chatter(talker: Talker) -> None:
            number = 0
            while not stopping.is_set():
                number += 1
                event_id = await talker.say(room_id, f"{number}")
                acknowledged.append(Heard(event_id, talker.user_id, f"{number}"))

        async with asyncio.TaskGroup() as chatting:
            for talker in (alice, bob):
                chatting.create_task(chatter(talker))
            for death in range(1, deaths + 1):
                await _until_as_many(acknowledged, death * messages_between)
                server.kill()
                await asyncio.to_thread(server.start)
            await _until_as_many(acknowledged, len(acknowledged) + messages_between)
            stopping.set()
        for talker in (alice, bob):
            await _until_as_many(talker.heard, len(acknowledged))
            _check_all_is_there(talker.heard, acknowledged)
        async with await Talker(server.url, "bob").log_in() as later:
            assert await later.history(room_id, page=50) == alice.heard == bob.heard


async def _until_as_many(messages: list[Heard], number: int) -> None:
    async with asyncio.timeout(2 * PATIENCE):
        while len(messages) < number:
            await asyncio.sleep(0.005)


def _check_all_is_there(heard: list[Heard], acknowledged: list[Heard]) -> None:
    """Every acknowledged message once, those of each sender in the order in which they were sent."""
    assert len(heard) == len(acknowledged)
    assert set(heard) == set(acknowledged)
    for sender in {message.sender for message in acknowledged}:
        bodies = [int(message.body) for message in heard if message.sender == sender]
        assert bodies == list(range(1, len(bodies) + 1))
