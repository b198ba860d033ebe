"""A matrix-nio client as a program would have one: always syncing, and remembering what it was told."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nio import (
    AsyncClient,
    AsyncClientConfig,
    ErrorResponse,
    MatrixRoom,
    MegolmEvent,
    RoomMessageNotice,
    RoomMessageText,
)

PATIENCE = 30  # seconds, on a machine that is busy with other things
PASSWORD = "correct horse battery staple"
_LONG_POLL_MS = 10_000
# nio does not fetch what a limited timeline leaves out; others may say a lot while it waits for a dead server.
_SYNC_FILTER = {"room": {"timeline": {"limit": 100}}}
# It repeats what a dead server did not answer, for as long as it takes, and soon.
_CONFIG = AsyncClientConfig(
    encryption_enabled=False, request_timeout=PATIENCE, backoff_factor=0.05, max_timeout_retry_wait_time=0.2
)


@dataclass(frozen=True)
class Heard:
    """A message that came in by sync."""

    event_id: str
    sender: str
    body: str


def success(answer: Any) -> Any:
    """The answer, of a type that only nio knows. It returns errors instead of raising them."""
    assert not isinstance(answer, ErrorResponse), answer
    return answer


class Talker:
    """Used as a context manager, after `register` or `log_in`."""

    def __init__(self, url: str, localpart: str, store: Path | None = None) -> None:
        """With a directory to keep keys in, it encrypts and decrypts."""
        config = replace(_CONFIG, encryption_enabled=store is not None)
        self.client = AsyncClient(
            url, localpart, store_path="" if store is None else str(store), config=config
        )
        self.heard: list[Heard] = []
        self.notices: list[Heard] = []
        """What bots said."""
        self.unreadable: list[MegolmEvent] = []
        self._localpart = localpart
        self._syncing: asyncio.Task[None] | None = None
        self.client.add_event_callback(self._on_message, RoomMessageText)
        self.client.add_event_callback(self._on_notice, RoomMessageNotice)
        self.client.add_event_callback(self._on_unreadable, MegolmEvent)

    @property
    def user_id(self) -> str:
        return str(self.client.user_id)

    async def register(self) -> "Talker":
        success(await self.client.register(self._localpart, PASSWORD))
        return self

    async def log_in(self, password: str = PASSWORD) -> "Talker":
        success(await self.client.login(password))
        return self

    async def __aenter__(self) -> "Talker":
        self._syncing = asyncio.create_task(
            self.client.sync_forever(timeout=_LONG_POLL_MS, sync_filter=_SYNC_FILTER, full_state=True)
        )
        await self.until(lambda: bool(self.client.next_batch))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._syncing is not None, "entered"
        self._syncing.cancel()
        await asyncio.wait([self._syncing])
        await self.client.close()

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits for a sync after which `condition` holds."""
        assert self._syncing is not None, "entered"
        async with asyncio.timeout(PATIENCE):
            while not condition():
                told = asyncio.create_task(self.client.synced.wait())
                await asyncio.wait([told, self._syncing], return_when=asyncio.FIRST_COMPLETED)
                if self._syncing.done():
                    # Raises what ended it; it does not end by itself.
                    self._syncing.result()

    async def say(self, room_id: str, body: str) -> str:
        """The event ID of the message, once the server has acknowledged it."""
        content = {"msgtype": "m.text", "body": body}
        sent = await self.client.room_send(room_id, "m.room.message", content, ignore_unverified_devices=True)
        return str(success(sent).event_id)

    async def hears(self, bodies: Sequence[str]) -> None:
        """Waits for the last of these messages; all of them must have come in this order."""
        await self.until(lambda: any(message.body == bodies[-1] for message in self.heard))
        assert [message.body for message in self.heard if message.body in bodies] == list(bodies)

    async def history(self, room_id: str, page: int) -> list[Heard]:
        """All messages of the room, oldest first, read backwards in pages."""
        found: list[Heard] = []
        token: str | None = ""
        while token is not None:
            answer = success(await self.client.room_messages(room_id, token, limit=page))
            found += [_heard(event) for event in answer.chunk if isinstance(event, RoomMessageText)]
            assert len(answer.chunk) <= page
            token = answer.end
        return found[::-1]

    async def _on_message(self, _: MatrixRoom, event: RoomMessageText) -> None:
        self.heard.append(_heard(event))

    async def _on_notice(self, _: MatrixRoom, event: RoomMessageNotice) -> None:
        self.notices.append(_heard(event))

    async def _on_unreadable(self, _: MatrixRoom, event: MegolmEvent) -> None:
        self.unreadable.append(event)


def _heard(event: RoomMessageText | RoomMessageNotice) -> Heard:
    return Heard(event.event_id, event.sender, event.body)
