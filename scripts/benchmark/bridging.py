"""The scenario of an application service, which is part of the benchmark."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from .connection import Answer, Connection
from .measurement import Step, Trip, Work
from .scenarios import has_key, scenario
from .stage import Room, Stage, side_by_side
from .user import CLIENT, Refused, accepted

GHOSTS, ROOMS = 1_000, 100
SPEAKERS = 8
_TOKEN = "token_of_the_service"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_MOST_SECONDS = 60


def registration(port: int) -> Mapping[str, Any]:
    """What the server under test must know of the service before it starts."""
    return {
        "id": "bench",
        "url": f"http://127.0.0.1:{port}",
        "as_token": _TOKEN,
        "hs_token": f"other_{_TOKEN}",
        "sender_localpart": "_ghost",
        "rate_limited": False,
        "namespaces": {"users": [{"exclusive": True, "regex": "@_ghost_.*"}], "aliases": [], "rooms": []},
    }


class Service:
    """Takes all that it is sent, and knows which events these were."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._came: dict[str, asyncio.Event] = {}

    async def open(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.close()

    async def has(self, event_id: str) -> None:
        """Waits until the event came."""
        await asyncio.wait_for(self._event(event_id).wait(), _MOST_SECONDS)
        del self._came[event_id]

    def _event(self, event_id: str) -> asyncio.Event:
        return self._came.setdefault(event_id, asyncio.Event())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        # Servers keep their connections open, and close them when they like.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r")[0])
                transaction = json.loads(await reader.readexactly(length))
                writer.write(_ANSWER)
                for event in transaction["events"]:
                    if event["type"] == "m.room.message":
                        self._event(event["event_id"]).set()
        self._connections.discard(writer)
        writer.close()


class Ghosts:
    """Users of the service, made by it; it speaks for them over a few connections."""

    def __init__(self, url: str) -> None:
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(SPEAKERS):
            self._free.put_nowait(Connection(url, _TOKEN))
        self._sent = itertools.count()

    async def make(self, number: int) -> None:
        body = {
            "type": "m.login.application_service",
            "username": f"_ghost_{number}",
            "inhibit_login": True,
        }
        accepted(await self._request("POST", f"{CLIENT}/register", body))

    async def join(self, number: int, room_id: str) -> None:
        accepted(await self._request("POST", f"{CLIENT}/rooms/{quote(room_id)}/join{_as(number)}", {}))

    async def say(self, number: int, room_id: str) -> Answer:
        target = f"{CLIENT}/rooms/{quote(room_id)}/send/m.room.message/t{next(self._sent)}{_as(number)}"
        return await self._request("PUT", target, {"msgtype": "m.text", "body": "news from elsewhere"})

    async def _request(self, method: str, target: str, body: object) -> Answer:
        connection = await self._free.get()
        try:
            return await connection.request(method, target, json.dumps(body).encode())
        finally:
            self._free.put_nowait(connection)


def _as(number: int) -> str:
    return "?user_id=" + quote(f"@_ghost_{number}:localhost")


@scenario(turns=800)
async def bridge_1000(stage: Stage) -> Work:
    """One message in one of 100 rooms, in each of which are 10 of the 1,000 users of an application service, until the
    service has it; half of them are its own users'. Eight at once."""
    if stage.service_port is None:
        raise Refused("the server knows no service of the benchmark")
    service, ghosts = Service(), Ghosts(stage.url)
    await service.open(stage.service_port)
    number = stage.scaled(GHOSTS, ROOMS)
    await side_by_side(ghosts.make, range(number))
    hosts = (await stage.senders())[:SPEAKERS]
    rooms = [await stage.room([hosts[index % SPEAKERS]]) for index in range(ROOMS)]

    async def come_in(ghost: int) -> None:
        await ghosts.join(ghost, rooms[ghost % ROOMS].room_id)

    await side_by_side(come_in, range(number))

    def step(speaker: int) -> Step:
        """Of every second speaker's rooms the host talks, of the others' a ghost."""
        own = itertools.cycle(range(speaker, ROOMS - ROOMS % SPEAKERS, SPEAKERS))

        async def say() -> Sequence[Trip]:
            index = next(own)
            started = time.perf_counter()
            answer = await _say(rooms[index], ghosts, index, is_ghost=bool(speaker % 2))
            await service.has(accepted(answer)["event_id"])
            return (Trip(time.perf_counter() - started, answer),)

        return say

    steps = [step(speaker) for speaker in range(SPEAKERS)]
    return Work(steps, partial(has_key, "event_id"), service.close)


async def _say(room: Room, ghosts: Ghosts, ghost: int, *, is_ghost: bool) -> Answer:
    return await (ghosts.say(ghost, room.room_id) if is_ghost else room.say(room.members[0]))
