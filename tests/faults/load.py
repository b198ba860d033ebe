"""People who send without pause, repeat what was not answered, and write down every answer.

What is checked against what they wrote down: `tests.faults.evidence`.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from scripts.benchmark.connection import Answer, Connection, ProtocolError
from scripts.benchmark.user import CLIENT, Registration, User, accepted
from scripts.loopback import SHARED_SECRET

PATIENCE = 60  # seconds until a request counts as forgotten by the server, and a server as dead
_PAUSE = 0.02
_PAGE = 500
_LONG_POLL_MS = 5_000
# More than ever comes between two syncs: a gap would be a loss.
_FILTER = json.dumps({"room": {"timeline": {"limit": 1000}}})


class Persistent:
    """A user's connection that asks until there is an answer that is not the server's own failure."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.failures: list[Answer] = []
        """Answers with which the server said that it cannot at the moment."""
        self.broken_off = 0
        """Requests to which there was no answer."""

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a success; anything else that is no failure of the server breaks the test."""
        content = b"" if body is None else json.dumps(body).encode()
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    answer = await self._connection.request(method, path, content)
            except TimeoutError as error:
                raise AssertionError(f"{method} {path} has no answer after {PATIENCE} s") from error
            except (OSError, ProtocolError):
                self.broken_off += 1
            except asyncio.CancelledError:
                # The answer would be taken for that of the next request.
                self._connection.close()
                raise
            else:
                if answer.status < 500:
                    return accepted(answer)
                assert re.search(rb'"errcode":"M_', answer.body), answer
                self.failures.append(answer)
            await asyncio.sleep(_PAUSE)


@dataclass(frozen=True)
class Sent:
    """A message that the server acknowledged."""

    room_id: str
    event_id: str
    sender: str
    body: str


@dataclass
class Ledger:
    """Everything that the server acknowledged to one sender."""

    messages: list[Sent] = field(default_factory=list)
    state: list[tuple[str, str]] = field(default_factory=list)
    """Room and event ID of state events."""
    rooms: list[str] = field(default_factory=list)


class Sender:
    """Sends messages, repeats some, sets topics and makes rooms, in an order that follows its seed."""

    def __init__(self, user: User, room_ids: Sequence[str], rng: Random) -> None:
        self.user_id = user.user_id
        self.asking = Persistent(user.connection)
        self.ledger = Ledger()
        self._room_ids = room_ids
        self._rng = rng
        self._acts = 0

    async def run(self, stopping: asyncio.Event) -> None:
        acts = (self._say, self._repeat, self._set_topic, self._create_room)
        while not stopping.is_set():
            self._acts += 1
            (act,) = self._rng.choices(acts, (75, 12, 10, 3))
            await act(self._rng.choice(self._room_ids))

    async def _say(self, room_id: str) -> None:
        # The number is the transaction ID, too.
        body = f"{self._acts}"
        event_id = await self._send(room_id, body)
        self.ledger.messages.append(Sent(room_id, event_id, self.user_id, body))

    async def _repeat(self, _: str) -> None:
        """As a client does that did not hear the answer."""
        if self.ledger.messages:
            sent = self._rng.choice(self.ledger.messages[-5:])
            assert await self._send(sent.room_id, sent.body) == sent.event_id

    async def _send(self, room_id: str, body: str) -> str:
        path = f"{CLIENT}/rooms/{quote(room_id)}/send/m.room.message/{body}"
        answer = await self.asking.ask("PUT", path, {"msgtype": "m.text", "body": body})
        return str(answer["event_id"])

    async def _set_topic(self, room_id: str) -> None:
        path = f"{CLIENT}/rooms/{quote(room_id)}/state/m.room.topic"
        answer = await self.asking.ask("PUT", path, {"topic": f"{self.user_id} {self._acts}"})
        self.ledger.state.append((room_id, answer["event_id"]))

    async def _create_room(self, _: str) -> None:
        answer = await self.asking.ask("POST", f"{CLIENT}/createRoom", {"preset": "private_chat"})
        self.ledger.rooms.append(answer["room_id"])


class Listener:
    """Syncs without pause and writes down the events of every room in the order in which they come."""

    def __init__(self, user: User, other_device: User) -> None:
        self._syncing = Persistent(user.connection)
        self._reading = Persistent(other_device.connection)
        self.heard: dict[str, list[str]] = {}
        """Event IDs by room."""
        self._since: str | None = None

    async def run(self) -> None:
        while True:
            await self.sync()

    async def sync(self) -> None:
        wish = {"filter": _FILTER, "timeout": str(_LONG_POLL_MS)}
        if self._since is not None:
            wish["since"] = self._since
        answer = await self._syncing.ask("GET", f"{CLIENT}/sync?{urlencode(wish)}")
        self._since = answer["next_batch"]
        for room_id, room in answer.get("rooms", {}).get("join", {}).items():
            assert not room["timeline"]["limited"], "the listener fell behind"
            events = [event["event_id"] for event in room["timeline"]["events"]]
            self.heard.setdefault(room_id, []).extend(events)

    async def timeline(self, room_id: str) -> list[Any]:
        """All events of the room, oldest first."""
        events: list[Any] = []
        wish = {"dir": "b", "limit": str(_PAGE)}
        while True:
            path = f"{CLIENT}/rooms/{quote(room_id)}/messages?{urlencode(wish)}"
            page = await self._reading.ask("GET", path)
            events += page["chunk"]
            if "end" not in page:
                return events[::-1]
            wish["from"] = page["end"]


class Crowd:
    """Senders in two rooms, and a listener. As a context manager they are at it for the time of the block."""

    def __init__(self, senders: Sequence[Sender], listener: Listener, room_ids: Sequence[str]) -> None:
        self.senders = senders
        self.listener = listener
        self.room_ids = room_ids
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> "Crowd":
        self._sending = [asyncio.create_task(sender.run(self._stopping)) for sender in self.senders]
        self._listening = asyncio.create_task(self.listener.run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Every sender finishes what it has begun, unless the test has failed already."""
        self._stopping.set()
        if kind is not None:
            for task in self._sending:
                task.cancel()
        self._listening.cancel()
        outcomes = await asyncio.gather(*self._sending, self._listening, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    @property
    def acknowledged(self) -> int:
        return sum(len(sender.ledger.messages) for sender in self.senders)

    @property
    def failures(self) -> list[Answer]:
        """Answers by which the server told a sender that it failed."""
        return [answer for sender in self.senders for answer in sender.asking.failures]

    async def until_acknowledged(self, more: int) -> None:
        """Waits until so many more messages than now are acknowledged: the server is well, then."""
        wanted = self.acknowledged + more
        async with asyncio.timeout(PATIENCE):
            while self.acknowledged < wanted:
                self._check_nobody_stopped()
                await asyncio.sleep(_PAUSE)

    async def until_failures(self, more: int) -> None:
        wanted = len(self.failures) + more
        async with asyncio.timeout(PATIENCE):
            while len(self.failures) < wanted:
                self._check_nobody_stopped()
                await asyncio.sleep(_PAUSE)

    def _check_nobody_stopped(self) -> None:
        for task in (*self._sending, self._listening):
            if task.done():
                # Raises what was wrong.
                task.result()


async def gather_crowd(url: str, seed: int, size: int = 8) -> Crowd:
    """A crowd of new users in new rooms, not yet at it."""
    rng = Random(seed)
    registration = Registration(url, SHARED_SECRET)
    owner, *others = [await _register(registration) for _ in range(size + 1)]
    room_ids = []
    for _ in range(2):
        wish = {"preset": "public_chat", "power_level_content_override": {"state_default": 0}}
        answer = await owner.connection.request("POST", f"{CLIENT}/createRoom", json.dumps(wish).encode())
        room_ids.append(accepted(answer)["room_id"])
        for user in others:
            accepted(await user.join(room_ids[-1]))
    senders = [Sender(user, room_ids, Random(rng.random())) for user in others]
    listener = Listener(owner, await owner.another_device())
    await listener.sync()
    return Crowd(senders, listener, room_ids)


async def _register(registration: Registration) -> User:
    answer, user = await registration.register()
    assert user is not None, answer
    return user
