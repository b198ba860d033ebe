"""A mautrix bridge as a program would have one: its own server, ghosts, and what it remembers over restarts."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientError, web
from mautrix.appservice import AppService, IntentAPI
from mautrix.appservice.state_store import FileASStateStore
from mautrix.errors import MatrixError
from mautrix.types import Event

from scripts.loopback import free_port

PATIENCE = 60  # seconds, on a machine that is busy with other things
_PATH = "/_matrix/app/v1/transactions/"


@dataclass
class Heard:
    """What a bridge has in its own database."""

    events: list[Event] = field(default_factory=list)
    transactions: set[str] = field(default_factory=set)

    @property
    def bodies(self) -> list[str]:
        """The texts of all messages, in the order in which they came."""
        return [str(event.content.body) for event in self.events if str(event.type) == "m.room.message"]

    def invites(self, user_id: str) -> list[str]:
        """The rooms to which the user was invited."""
        return [
            str(event.room_id)
            for event in self.events
            if str(event.type) == "m.room.member"
            and str(event.state_key) == user_id
            and str(event.content.membership) == "invite"
        ]


class Bridge:
    """Of a network whose people are `@_irc_…`. `registration` is for the server, before either starts."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self._service: AppService | None = None
        self.heard = Heard()
        self.losing: Callable[[], bool] = lambda: False
        """Whether an acknowledgement is lost on its way."""
        self.registration = directory / "irc.yaml"
        # JSON is YAML.
        self.registration.write_text(json.dumps(_registration(self._port)))

    async def start(self, url: str) -> None:
        """`url` is the homeserver's, which may be down."""
        service = AppService(
            url,
            "localhost",
            "as_secret",
            "hs_secret",
            "irc",
            "irc",
            state_store=FileASStateStore(str(self._directory / "state.json"), binary=False),
            aiohttp_params={"middlewares": [self._lossy]},
            # It repeats what a dead server did not answer.
            default_http_retry_count=10,
        )
        service.synchronous_handlers = True
        service.transactions = self.heard.transactions
        service.matrix_event_handler(self._hear)
        await service.start(port=self._port)
        self._service = service

    async def wake(self) -> None:
        """Tells the server that it is there again, as bridges do when they start."""
        assert self._service is not None, "it runs"
        with suppress(MatrixError, ClientError, OSError):
            await self._service.ping_self()

    async def stop(self) -> None:
        """What is on its way meanwhile finds nobody."""
        assert self._service is not None, "it runs"
        assert self._service.runner is not None, "it runs"
        for connection in list(getattr(self._service.runner.server, "connections", ())):
            connection.force_close()
        await self._service.stop()
        self._service = None

    def ghost(self, name: str) -> IntentAPI:
        assert self._service is not None, "it runs"
        return self._service.intent.user(f"@_irc_{name}:localhost")  # type: ignore[arg-type]  # it is a NewType of str

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.01)

    async def _hear(self, event: Event) -> None:
        self.heard.events.append(event)

    @property
    def _lossy(self) -> Any:
        @web.middleware
        async def lossy(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            response = await handler(request)
            if request.path.startswith(_PATH) and self.losing() and request.transport is not None:
                request.transport.abort()
            return response

        return lossy


def _registration(port: int) -> Mapping[str, Any]:
    """What a bridge writes for the operator of a server."""
    return {
        "id": "irc",
        "url": f"http://127.0.0.1:{port}",
        "as_token": "as_secret",
        "hs_token": "hs_secret",
        "sender_localpart": "irc",
        "rate_limited": False,
        "namespaces": {"users": [{"exclusive": True, "regex": "@_irc_.*"}]},
    }
