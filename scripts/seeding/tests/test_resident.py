import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from scripts.seeding.plan import Person
from scripts.seeding.resident import Asking, Registry, SeedError

Reply = tuple[int, Any]  # status and JSON


async def serve(replies: Sequence[Reply], talk: Callable[[str], Awaitable[None]]) -> list[str]:
    """Gives `talk` the address of a server that answers with `replies` in turn; what it was asked."""
    waiting, asked = list(replies), []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            asked.append(head)
            status, body = waiting.pop(0)
            text = json.dumps(body)
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        await talk(f"http://127.0.0.1:{port}")
    finally:
        server.close()
    return asked


async def _head(reader: asyncio.StreamReader) -> str:
    """Method and path of the next request, whose body is read and dropped; empty at the end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return ""
    length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
    await reader.readexactly(int(length))
    return " ".join(head.split()[:2])


def test_a_rate_limit_is_waited_for_as_long_as_the_server_says() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def talk(url: str) -> None:
        asking = Asking(url, sleep=sleep)
        assert await asking.ask("GET", "/x") == {"found": True}
        asking.close()

    limited = (429, {"errcode": "M_LIMIT_EXCEEDED", "error": "slowly", "retry_after_ms": 1500})
    asked = asyncio.run(serve([limited, limited, (200, {"found": True})], talk))
    assert asked == ["GET /x"] * 3
    assert waits == [1.5, 1.5]


def test_a_refusal_says_what_was_asked_and_why_not() -> None:
    async def talk(url: str) -> None:
        asking = Asking(url)
        with pytest.raises(SeedError, match="PUT /x: 403 M_FORBIDDEN not you"):
            await asking.ask("PUT", "/x", {})
        asking.close()

    asyncio.run(serve([(403, {"errcode": "M_FORBIDDEN", "error": "not you"})], talk))


def test_a_server_that_is_full_already_is_left_alone() -> None:
    async def talk(url: str) -> None:
        registry = Registry(url, "secret", "password")
        with pytest.raises(SeedError, match="ada lives here already"):
            await registry.register(Person("ada", "Ada"))
        registry.close()

    taken = (400, {"errcode": "M_USER_IN_USE", "error": "taken"})
    asyncio.run(serve([(200, {"nonce": "n"}), taken], talk))


def test_no_server_is_one_sentence() -> None:
    async def talk() -> None:
        with pytest.raises(SeedError, match=r"No homeserver answers at http://127\.0\.0\.1:1"):
            await Asking("http://127.0.0.1:1").ask("GET", "/x")

    asyncio.run(talk())
