"""Accounts and rooms that the scenarios play on, made when first asked for, the same on every server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .connection import Answer
from .user import Refused, Registration, User, accepted

PREPARING_AT_ONCE = 8
REGISTERING_AT_ONCE = 4
SENDERS = 32
LISTENERS = 100
CROWD = 1000
LEAST_SECONDS = 3.0

Item = TypeVar("Item")


@dataclass
class Room:
    """A room, who is in it, and how many messages they have sent."""

    room_id: str
    members: Sequence[User]
    messages: int = 0

    async def say(self, user: User) -> Answer:
        self.messages += 1
        return await user.send(self.room_id, f"message {self.messages}: see you on the market square at noon")


class Stage:
    """Accounts and rooms on one server; their sizes follow the scale, but for the 32 senders."""

    def __init__(self, url: str, shared_secret: str, scale: float, service_port: int | None = None) -> None:
        """`service_port` is where the server expects the benchmark's application service, if it knows it."""
        self.url = url
        self.service_port = service_port
        self._scale = scale
        self.registrations = [Registration(url, shared_secret) for _ in range(REGISTERING_AT_ONCE)]
        self.newcomers: list[User] = []
        self._senders: list[User] = []
        self._hall: Room | None = None
        self._market: Room | None = None
        self._crowd: Room | None = None
        self._made: dict[object, Any] = {}  # by what it is

    @property
    def least_seconds(self) -> float:
        """For how long a scenario is measured at least, so that a fast server gets enough to do, too."""
        return LEAST_SECONDS * self._scale

    def scaled(self, number: int, least: int = 1) -> int:
        return max(least, round(number * self._scale))

    async def users(self, number: int) -> list[User]:
        """Accounts that nobody else was given; those made by the scenario `register` come first."""
        turns = iter(range(number - len(self.newcomers)))
        await asyncio.gather(*(self._register(registration, turns) for registration in self.registrations))
        taken, self.newcomers = self.newcomers[:number], self.newcomers[number:]
        return taken

    async def senders(self) -> list[User]:
        """The same 32 accounts every time."""
        self._senders = self._senders or await self.users(SENDERS)
        return self._senders

    async def room(self, members: Sequence[User]) -> Room:
        """A new public room, made by the first of its members."""
        room = Room(accepted(await members[0].create_room("public_chat"))["room_id"], members)

        async def join(user: User) -> None:
            accepted(await user.join(room.room_id))

        await side_by_side(join, members[1:])
        return room

    async def hall(self) -> Room:
        """The room with 100 members (or fewer, by scale) who mostly listen."""
        self._hall = self._hall or await self.room(await self.users(self.scaled(LISTENERS, 2)))
        return self._hall

    async def crowd(self) -> Room:
        """The room with 1,000 members (or fewer, by scale), nearly all of whom are away."""
        self._crowd = self._crowd or await self.room(await self.users(self.scaled(CROWD, 2)))
        return self._crowd

    async def market(self) -> Room:
        """The room where all 32 senders talk."""
        self._market = self._market or await self.room(await self.senders())
        return self._market

    async def once(self, what: object, make: Callable[[], Awaitable[Item]]) -> Item:
        """Something that several scenarios share: made for the first that asks."""
        if what not in self._made:
            self._made[what] = await make()
        made: Item = self._made[what]
        return made

    async def _register(self, registration: Registration, turns: Iterator[int]) -> None:
        for _ in turns:
            answer, user = await registration.register()
            if user is None:
                raise Refused(f"registration: {answer.status} {answer.body[:200]!r}")
            self.newcomers.append(user)


async def side_by_side(job: Callable[[Item], Awaitable[object]], items: Iterable[Item]) -> None:
    """Do the job for every item, a few at a time, as a server that is being prepared can bear."""
    waiting = iter(items)

    async def take_turns() -> None:
        for item in waiting:
            await job(item)

    await asyncio.gather(*(take_turns() for _ in range(PREPARING_AT_ONCE)))
