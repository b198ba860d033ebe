"""The named scenarios. Each function prepares the work; its docstring says what one operation is."""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .connection import Answer
from .measurement import Step, Trip, Work
from .stage import Room, Stage, side_by_side
from .user import Registration, User, accepted, next_batch

LONG_POLL_MS = "20000"
PAGE = 100
QUARTERS = 8
CHAT_MESSAGES = 20
RUSH = 20
_END = re.compile(rb'"end"\s*:\s*"([^"]+)"')


@dataclass(frozen=True)
class Scenario:
    """`turns`: how often its steps are taken, all together, at full scale."""

    name: str
    turns: int
    prepare: Callable[[Stage], Awaitable[Work]]

    @property
    def explanation(self) -> str:
        return " ".join((self.prepare.__doc__ or "").split())


SCENARIOS: dict[str, Scenario] = {}


def scenario(turns: int) -> Callable[[Callable[[Stage], Awaitable[Work]]], Scenario]:
    """Enter the function into the list, under its own name, at its place in the order of running."""

    def enter(prepare: Callable[[Stage], Awaitable[Work]]) -> Scenario:
        name = getattr(prepare, "__name__", "")
        SCENARIOS[name] = Scenario(name, turns, prepare)
        return SCENARIOS[name]

    return enter


def has_key(key: str, answer: Answer) -> bool:
    return isinstance(answer.json()[key], str)


def has_room_news(answer: Answer) -> bool:
    return bool(answer.json().get("rooms", {}).get("join"))


def ends_with_messages(room: Any, number: int) -> bool:
    """Whether the latest events of a room in a /sync answer are that many messages."""
    latest = room["timeline"]["events"][-number:]
    return [event["content"].get("msgtype") for event in latest] == ["m.text"] * number


def timed(call: Callable[[], Awaitable[Answer]]) -> Step:
    """A step of one operation."""

    async def step() -> Sequence[Trip]:
        started = time.perf_counter()
        answer = await call()
        return (Trip(time.perf_counter() - started, answer),)

    return step


@scenario(turns=100)
async def register(stage: Stage) -> Work:
    """One account made through the shared-secret API: two requests, the second with the server's own password
    hashing, which is most of the cost. Four at once."""

    async def make(registration: Registration) -> Answer:
        answer, user = await registration.register()
        if user:
            stage.newcomers.append(user)
        return answer

    steps = [timed(partial(make, registration)) for registration in stage.registrations]
    return Work(steps, partial(has_key, "access_token"))


@scenario(turns=10)
async def login_rush(stage: Stage) -> Work:
    """One GET /versions while 20 users log in at once with their passwords: does hashing hold up the others?"""
    *users, onlooker = (await stage.senders())[: RUSH + 1]

    async def rush() -> Sequence[Trip]:
        logins = [asyncio.ensure_future(user.another_device()) for user in users]
        trips = []
        while not all(login.done() for login in logins):
            started = time.perf_counter()
            answer = await onlooker.connection.request("GET", "/_matrix/client/versions")
            trips.append(Trip(time.perf_counter() - started, answer))
        for device in await asyncio.gather(*logins):
            device.connection.close()
        return trips

    return Work([rush], lambda answer: isinstance(answer.json()["versions"], list))


@scenario(turns=40)
async def create_room(stage: Stage) -> Work:
    """One room made with the preset private_chat and room version 11; one user, one after the other."""
    creator = (await stage.senders())[0]
    return Work([timed(partial(creator.create_room, "private_chat"))], partial(has_key, "room_id"))


@scenario(turns=300)
async def send_1(stage: Stage) -> Work:
    """One message sent to a room of two members; one sender, one after the other."""
    senders = await stage.senders()
    room = await stage.room(senders[:2])
    return Work([timed(partial(room.say, senders[0]))], partial(has_key, "event_id"))


@scenario(turns=1600)
async def send_32(stage: Stage) -> Work:
    """One message sent to a room of 32 members, all of them sending at once."""
    market = await stage.market()
    steps = [timed(partial(market.say, member)) for member in market.members]
    return Work(steps, partial(has_key, "event_id"))


@scenario(turns=960)
async def send_32_rooms(stage: Stage) -> Work:
    """One message sent; 32 senders at once, each alone in a room."""
    rooms: list[Room] = []

    async def open_room(sender: User) -> None:
        rooms.append(await stage.room([sender]))

    await side_by_side(open_room, await stage.senders())
    return Work([timed(partial(room.say, room.members[0])) for room in rooms], partial(has_key, "event_id"))


@scenario(turns=300)
async def notify_1000(stage: Stage) -> Work:
    """One message that notifies all 1,000 members of a room, none of whom is listening: the server works out what
    it means for each of them, and counts it. One sender, one after the other."""
    crowd = await stage.crowd()
    return Work([timed(partial(crowd.say, crowd.members[0]))], partial(has_key, "event_id"))


@scenario(turns=20)
async def fan_out(stage: Stage) -> Work:
    """One message delivered to one of the 100 members of a room, each waiting in a long /sync: from before
    it is sent until the answer that holds it is in. The next message is sent when all have this one."""
    return await delivering(stage, await stage.hall())


async def delivering(stage: Stage, room: Room) -> Work:
    """Messages to all members of a room, who listen."""
    listeners = [Listener(member) for member in room.members]
    await side_by_side(Listener.begin, listeners)
    (speaker,) = await stage.users(1)
    accepted(await speaker.join(room.room_id))

    async def speak() -> Sequence[Trip]:
        number = room.messages + 1
        started = time.perf_counter()
        sending = asyncio.ensure_future(room.say(speaker))
        deliveries = await asyncio.gather(*(each.await_message(number, started) for each in listeners))
        accepted(await sending)
        return deliveries

    def close() -> None:
        for listener in listeners:
            listener.close()

    return Work(
        [speak], lambda answer: ends_with_messages(answer.json()["rooms"]["join"][room.room_id], 1), close
    )


class Listener:
    """A member who always has a long /sync open."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._waiting: asyncio.Task[Answer] | None = None

    async def begin(self) -> None:
        self._listen(await self._user.sync(timeout="0"))

    async def await_message(self, number: int, started: float) -> Trip:
        """Listen on until the message has come in."""
        text = f"message {number}:".encode()
        while True:
            assert self._waiting
            answer = await self._waiting
            received = time.perf_counter()
            self._listen(answer)
            if text in answer.body:
                return Trip(received - started, answer)

    def close(self) -> None:
        if self._waiting:
            self._waiting.cancel()
        self._user.connection.close()

    def _listen(self, latest: Answer) -> None:
        syncing = self._user.sync(since=next_batch(latest), timeout=LONG_POLL_MS)
        self._waiting = asyncio.ensure_future(syncing)


@scenario(turns=3000)
async def idle_sync(stage: Stage) -> Work:
    """One /sync?since=…&timeout=0 that finds no news in any room; the 100 users of a room take turns, ten at
    once."""
    users = (await stage.hall()).members
    tokens: dict[str, str] = {}

    async def catch_up(user: User) -> None:
        answer = await user.sync(timeout="0")
        # Synapse may answer an initial sync with what it found two minutes ago.
        while has_room_news(answer):
            answer = await user.sync(since=next_batch(answer), timeout="0")
        tokens[user.user_id] = next_batch(answer)

    async def look(circle: Iterator[User]) -> Answer:
        user = next(circle)
        answer = await user.sync(since=tokens[user.user_id], timeout="0")
        tokens[user.user_id] = next_batch(answer)
        return answer

    await side_by_side(catch_up, users)
    groups = [users[first::10] for first in range(min(10, len(users)))]
    steps = [timed(partial(look, itertools.cycle(group))) for group in groups]
    return Work(steps, lambda answer: not has_room_news(answer))


@scenario(turns=160)
async def join(stage: Stage) -> Work:
    """One user joining a public room that fills up to 33 members; eight at once."""
    (owner,) = await stage.users(1)
    users = await stage.senders()
    rooms = [await stage.room([owner]) for _ in range(stage.scaled(20, 2))]
    return Work([_joining(users[first::8], rooms) for first in range(8)], partial(has_key, "room_id"))


def _joining(users: Sequence[User], rooms: Sequence[Room]) -> Step:
    pairs = iter([(user, room) for room in rooms for user in users])

    async def step() -> Sequence[Trip]:
        for user, room in pairs:
            return await timed(partial(user.join, room.room_id))()
        return ()

    return step


@scenario(turns=30)
async def initial_sync_50(stage: Stage) -> Work:
    """One /sync without `since` of an account in 50 rooms with five members and their 20 latest messages;
    one after the other, from three devices in turn, each with a filter the server has not seen before."""
    return await arriving(await inhabitant(stage, stage.scaled(50, 2), CHAT_MESSAGES), CHAT_MESSAGES)


@dataclass(frozen=True)
class Inhabitant:
    """A user and the rooms that they are in."""

    user: User
    room_ids: Sequence[str]


async def inhabitant(stage: Stage, rooms: int, messages: int) -> Inhabitant:
    """Somebody in so many rooms of five members, with so many messages each."""
    quarters = await _quarters(stage, rooms)
    room_ids = [room.room_id for quarter in quarters for room in quarter]
    (user,) = await stage.users(1)
    for room_id in room_ids:
        accepted(await user.join(room_id))
    await asyncio.gather(*(_chat(quarter, messages) for quarter in quarters))
    return Inhabitant(user, room_ids)


async def arriving(who: Inhabitant, messages: int, *, lazy: bool = False) -> Work:
    """Initial syncs from three devices in turn, each with a filter that was never used before."""
    devices = itertools.cycle([await who.user.another_device() for _ in range(3)])
    numbers = itertools.count()

    async def sync() -> Answer:
        number = next(numbers)
        # A type that does not occur: the answer stays the same, but no cache of whole answers can hold it.
        timeline = {"limit": messages + number % 3, "not_types": [f"org.example.unseen{number}"]}
        wanted = {"room": {"timeline": timeline, "state": {"lazy_load_members": lazy}}}
        return await next(devices).sync(filter=json.dumps(wanted))

    def is_right(answer: Answer) -> bool:
        joined = answer.json()["rooms"]["join"]
        return sorted(joined) == sorted(who.room_ids) and all(
            ends_with_messages(room, messages) for room in joined.values()
        )

    return Work([timed(sync)], is_right)


async def _quarters(stage: Stage, rooms: int) -> list[list[Room]]:
    """Rooms of four members, by quarter of the town: each has its own people, who share no connection."""
    senders = await stage.senders()

    async def settle(quarter: int) -> list[Room]:
        return [await stage.room(senders[quarter::QUARTERS]) for _ in range(quarter, rooms, QUARTERS)]

    return await asyncio.gather(*map(settle, range(QUARTERS)))


async def _chat(rooms: Sequence[Room], messages: int) -> None:
    for room in rooms:
        for _, member in zip(range(messages), itertools.cycle(room.members), strict=False):
            accepted(await room.say(member))


@scenario(turns=60)
async def paging_5000(stage: Stage) -> Work:
    """One page of 100 events of /messages?dir=b, walking back through a room's latest 5,000 repeatedly."""
    market = await stage.market()
    events = stage.scaled(5000, PAGE)

    async def fill_up(member: User) -> None:
        while market.messages < events:
            accepted(await market.say(member))

    await asyncio.gather(*map(fill_up, market.members))
    walk = PageWalk(market, events // PAGE)
    return Work([walk.step], walk.is_next_page)


class PageWalk:
    """Reads a room backwards, and knows which events it has seen."""

    def __init__(self, room: Room, pages: int) -> None:
        self._room = room
        self._pages = pages
        self._asked = 0
        self._end = b""
        self._checked = 0
        self._seen: set[str] = set()

    async def step(self) -> Sequence[Trip]:
        parameters = {"dir": "b", "limit": str(PAGE)}
        if self._asked % self._pages:
            parameters["from"] = self._end.decode()
        self._asked += 1
        reader = self._room.members[0]
        (trip,) = await timed(partial(reader.messages, self._room.room_id, **parameters))()
        found = _END.search(trip.answer.body)
        self._end = found[1] if found else b""
        return (trip,)

    def is_next_page(self, answer: Answer) -> bool:
        """Whether it is a page of events new to this walk; asked in the order in which pages came.

        A few may be missing: the specification lets a server return fewer than `limit`, and Synapse has been
        seen to return 99 where many had sent at once.
        """
        if self._checked % self._pages == 0:
            self._seen.clear()
        self._checked += 1
        page = {event["event_id"] for event in answer.json()["chunk"]}
        again = page & self._seen
        self._seen |= page
        if again or len(page) < PAGE * 0.95:
            raise ValueError(f"{len(page)} events, {len(again)} of them seen before")
        return True
