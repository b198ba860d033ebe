"""The scenario of push gateways, with one that is part of the benchmark."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence

from .measurement import Trip, Work
from .scenarios import has_key, scenario
from .stage import Stage, side_by_side
from .user import CLIENT, User, accepted

_PATH = "/_matrix/push/v1/notify"
_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"rejected":[]}'
_MOST_SECONDS = 120


class Gateway:
    """Counts notifications, and takes them all."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._came = 0
        self._awaited = 0
        self._all_there = asyncio.Event()

    async def open(self) -> str:
        """Its URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{_PATH}"

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.close()

    def expect(self, number: int) -> None:
        self._came, self._awaited = 0, number
        self._all_there.clear()

    async def all_there(self) -> None:
        """Waits until as many came as were expected."""
        await asyncio.wait_for(self._all_there.wait(), _MOST_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        # Servers keep their connections open, and close them when they like.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r")[0])
                notification = json.loads(await reader.readexactly(length))["notification"]
                writer.write(_ANSWER)
                self._came += len(notification["devices"]) if notification.get("event_id") else 0
                if self._came >= self._awaited:
                    self._all_there.set()
        self._connections.discard(writer)
        writer.close()


@scenario(turns=20)
async def push_1000(stage: Stage) -> Work:
    """One message in a room of 1,000 members, until the push gateway has been told of it for all 999 others. One
    sender, one after the other."""
    crowd, gateway = await stage.crowd(), Gateway()
    url = await gateway.open()
    sender, *others = crowd.members

    async def set_pusher(user: User) -> None:
        body = {
            "kind": "http",
            "app_id": "org.example.bench",
            "pushkey": user.user_id,
            "app_display_name": "bench",
            "device_display_name": "phone",
            "lang": "en",
            "data": {"url": url, "format": "event_id_only"},
        }
        accepted(await user.connection.request("POST", f"{CLIENT}/pushers/set", json.dumps(body).encode()))

    await side_by_side(set_pusher, others)

    async def say() -> Sequence[Trip]:
        gateway.expect(len(others))
        started = time.perf_counter()
        answer = await crowd.say(sender)
        await gateway.all_there()
        return (Trip(time.perf_counter() - started, answer),)

    return Work([say], lambda answer: has_key("event_id", answer), gateway.close)
