"""Other servers, as large as the benchmark needs them: they have keys, rooms, and hear what they are sent."""

import asyncio
import contextlib
import json
import ssl
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from federation.key_answers import publish_keys
from federation.x_matrix import authorization
from homeserver.http.tests.certificates import write_certificate
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.signing import EventSigner, SigningKey
from scripts.loopback import free_port

from .connection import Answer, Connection
from .remote_room import RemoteRoom

FEDERATION = "/_matrix/federation"
_KEY = SigningKey("bench", b"the key of all the bench servers")
_DAY_MS = 24 * 3600 * 1000
_MOST_SECONDS = 170


class Request(NamedTuple):
    """`path` are the decoded segments behind `/_matrix`; `server` is who is asked."""

    server: str
    path: Sequence[str]
    query: dict[str, list[str]]
    body: bytes


class RemoteServers:
    """Servers on addresses of the loopback network, one name each, all with one key and port."""

    def __init__(self, hosts: Sequence[str] = ("127.0.0.1",)) -> None:
        self._hosts = hosts
        self._port = free_port()
        self.servers = [EventSigner(ServerName(f"{host}:{self._port}"), _KEY) for host in hosts]
        self._signers = {signer.server_name: signer for signer in self.servers}
        self._rooms: dict[str, RemoteRoom] = {}
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._heard: dict[str, list[float]] = {}
        self._news = asyncio.Condition()

    async def open(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            files = write_certificate(Path(directory), "127.0.0.1")
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(str(files.certificate_path), str(files.private_key_path))
        self._listener = await asyncio.start_server(
            self._serve, list(self._hosts), self._port, ssl=context, backlog=1000
        )

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for connection in self._connections:
            connection.close()

    def host(self, room: RemoteRoom) -> None:
        """Users may join it from now on."""
        self._rooms[room.room_id] = room

    def forget(self, room: RemoteRoom) -> None:
        del self._rooms[room.room_id]

    async def heard(self, message: str, number: int = 1) -> Sequence[float]:
        """When each of so many servers was sent a message; waits for it."""
        async with asyncio.timeout(_MOST_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self._heard.get(message, ())) >= number)
        return self._heard.pop(message)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        # Servers keep their connections open, and close them when they like, or are cut off at the end.
        gone = (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ssl.SSLError)
        with contextlib.suppress(*gone):
            while True:
                request = await _read(reader)
                status, body = await self._answer(request)
                head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
        self._connections.discard(writer)
        writer.close()

    async def _answer(self, request: Request) -> tuple[int, bytes]:
        match request.path:
            case ["key", "v2", "server", *_]:
                return 200, self._keys(self._signers[ServerName(request.server)])
            case ["federation", "v1", "send", _]:
                await self._hear(json.loads(request.body))
                return 200, b'{"pdus":{}}'
            case ["federation", _, operation, room_id, *rest] if room_id in self._rooms:
                answer = _of_room(self._rooms[room_id], operation, rest, request)
            case ["federation", "v1", "event", event_id]:
                found = (room.event(event_id) for room in self._rooms.values())
                answer = next((event for event in found if event is not None), None)
            case _:
                answer = None
        return (404, b'{"errcode":"M_UNRECOGNIZED","error":"not here"}') if answer is None else (200, answer)

    def _keys(self, signer: EventSigner) -> bytes:
        return json.dumps(publish_keys(signer, {}, int(time.time() * 1000) + _DAY_MS)).encode()

    async def _hear(self, transaction: Any) -> None:
        async with self._news:
            for pdu in transaction["pdus"]:
                message = pdu["content"].get("body")
                if message is not None:
                    self._heard.setdefault(message, []).append(time.perf_counter())
            self._news.notify_all()


def _of_room(room: RemoteRoom, operation: str, rest: Sequence[str], request: Request) -> bytes | None:
    match operation:
        case "make_join":
            return json.dumps(room.join_template(rest[0])).encode()
        case "send_join":
            return room.welcome(request.body, omit_members=request.query.get("omit_members") == ["true"])
        case "state":
            return room.state()
        case "state_ids":
            return room.state_ids()
        case _:
            return None


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    target = urlsplit(head.split(" ", 2)[1])
    fields = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))
    }
    body = await reader.readexactly(int(fields.get("content-length", "0")))
    path = [unquote(segment) for segment in target.path.split("/")[2:]]
    return Request(fields["host"], path, parse_qs(target.query), body)


class SigningConnection:
    """Asks the server under test in the name of one of ours."""

    def __init__(self, url: str, destination: str, server: EventSigner) -> None:
        self._connection = Connection(url)
        self._destination = ServerName(destination)
        self._server = server

    async def request(self, method: str, target: str, content: Any = None) -> Answer:
        header = authorization(
            method, target, self._server.server_name, self._destination, self._server.key, content
        )
        body = b"" if content is None else json.dumps(content).encode()
        return await self._connection.request(method, target, body, authorization=header)

    def close(self) -> None:
        self._connection.close()
