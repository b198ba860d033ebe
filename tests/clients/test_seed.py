"""scripts/seed fills a real server, and a real client sees the town."""

import asyncio

import pytest

from scripts.seeding.cli import PASSWORD, main
from scripts.seeding.plan import Kind, make_plan
from tests.clients.talker import Talker
from tests.processes import ServerProcess

MESSAGES = 150


def test_the_town_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with ServerProcess() as server:
        arguments = ["--data-dir", str(server.directory), "--messages", str(MESSAGES)]
        assert main(arguments) == 0
        assert f"50 people, 18 rooms and {MESSAGES} messages" in capsys.readouterr().out
        asyncio.run(_look_around(server.url))
        # A second town has no room here.
        assert main(arguments) == 2
        assert "ada lives here already" in capsys.readouterr().err


async def _look_around(url: str) -> None:
    plan = make_plan(MESSAGES, seed=1)
    ada = plan.people[0]
    async with await Talker(url, ada.localpart).log_in(PASSWORD) as talker:
        rooms = {room.name: room for room in talker.client.rooms.values()}
        expected = [room for room in plan.rooms if ada in room.members]
        named = {room.name: room for room in expected if room.name is not None}
        assert named.keys() <= rooms.keys()
        assert len(rooms) == len(expected)
        for name, room in named.items():
            assert rooms[name].joined_count == len(room.members)
            assert rooms[name].topic == room.topic
            assert (rooms[name].room_type == "m.space") == (room.kind is Kind.SPACE)
        square = rooms["Town Square"]
        assert square.canonical_alias == f"#town-square:{talker.user_id.partition(':')[2]}"
        assert square.users[talker.user_id].display_name == ada.name
