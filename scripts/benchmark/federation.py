"""Scenarios with other servers, which are part of the benchmark."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from itertools import count
from urllib.parse import quote

from homeserver.protocol.events import Event, Proposal, build_event, parse_pdu
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonObject

from .connection import Answer
from .measurement import Trip, Work
from .remote_room import VERSION, RemoteRoom
from .remote_server import FEDERATION, RemoteServers, SigningConnection
from .scenarios import has_key, scenario
from .stage import Stage
from .user import CLIENT, User, accepted

TRANSACTION = 50
DESTINATIONS = 500
_LOOK_AGAIN_SECONDS = 0.02


class Guest:
    """A user elsewhere who is in a room of the server under test, and talks there."""

    def __init__(self, servers: RemoteServers, url: str, host: User, room_id: str) -> None:
        (self._server,) = servers.servers
        self._user_id = UserID(f"@guest:{self._server.server_name}")
        self._room_id = RoomID(room_id)
        self._connection = SigningConnection(url, host.user_id.partition(":")[2], self._server)
        self._transactions = count(1)
        self._said = count(1)

    async def join(self) -> None:
        target = f"{FEDERATION}/v1/make_join/{quote(self._room_id)}/{quote(self._user_id)}?ver={VERSION.identifier}"
        template = accepted(await self._connection.request("GET", target))["event"]
        content = {"membership": "join"}
        join = self._event(template, "m.room.member", content, state_key=self._user_id)
        target = f"{FEDERATION}/v2/send_join/{quote(self._room_id)}/{quote(join.event_id)}"
        state = accepted(await self._connection.request("PUT", target, join.pdu()))["state"]
        self._latest = join
        told = [parse_pdu(pdu, VERSION) for pdu in state]
        needed = ("m.room.create", "m.room.power_levels")
        self._auth_events = [join.event_id, *(event.event_id for event in told if event.type in needed)]

    def sentences(self, number: int) -> list[Event]:
        """Messages, each after the one before."""
        made = []
        for _ in range(number):
            content = {"msgtype": "m.text", "body": f"message {next(self._said)} from elsewhere"}
            template: JsonObject = {
                "depth": self._latest.depth + 1,
                "prev_events": [self._latest.event_id],
                "auth_events": self._auth_events,
            }
            self._latest = self._event(template, "m.room.message", content)
            made.append(self._latest)
        return made

    async def send(self, events: Sequence[Event]) -> Answer:
        transaction = {
            "origin": self._server.server_name,
            "origin_server_ts": _now_ms(),
            "pdus": [event.pdu() for event in events],
        }
        target = f"{FEDERATION}/v1/send/{next(self._transactions)}"
        return await self._connection.request("PUT", target, transaction)

    def close(self) -> None:
        self._connection.close()

    def _event(
        self, template: JsonObject, type_: str, content: JsonObject, state_key: str | None = None
    ) -> Event:
        proposal = Proposal(
            version=VERSION,
            room_id=self._room_id,
            type=type_,
            state_key=state_key,
            sender=self._user_id,
            content=content,
            origin_server_ts=_now_ms(),
            depth=template["depth"],
            prev_events=tuple(template["prev_events"]),
            auth_events=tuple(template["auth_events"]),
        )
        return build_event(proposal, self._server)


@scenario(turns=20)
async def inbound_pdus(stage: Stage) -> Work:
    """One message of another server, in a transaction of 50, until the last of them is shown to a local user. One
    transaction after the other."""
    (host,) = await stage.users(1)
    room = await stage.room([host])
    servers = RemoteServers()
    await servers.open()
    guest = Guest(servers, stage.url, host, room.room_id)
    await guest.join()

    async def step() -> Sequence[Trip]:
        events = guest.sentences(TRANSACTION)
        started = time.perf_counter()
        answer = await guest.send(events)
        await _shown(host, room.room_id, events[-1])
        return [Trip(time.perf_counter() - started, answer)] * len(events)

    def close() -> None:
        guest.close()
        servers.close()

    return Work([step], _took_all, close)


async def _shown(user: User, room_id: str, event: Event) -> None:
    target = f"{CLIENT}/rooms/{quote(room_id)}/event/{quote(event.event_id)}"
    while (await user.connection.request("GET", target)).status != 200:
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def _took_all(answer: Answer) -> bool:
    results = answer.json()["pdus"]
    return len(results) == TRANSACTION and not any(results.values())


@scenario(turns=12)
async def remote_join_2000(stage: Stage) -> Work:
    """One join of a room of 2,000 members on another server, until all of them are served and the user's first
    message has arrived there. One user, one room after the other."""
    return await _joining(stage, 2000)


@scenario(turns=1)
async def remote_join_10000(stage: Stage) -> Work:
    """One join as in `remote_join_2000`, of a room of 10,000 members."""
    return await _joining(stage, 10_000)


@scenario(turns=1)
async def remote_join_answer_10000(stage: Stage) -> Work:
    """One join of such a room, timed until it is answered; what follows is waited for all the same."""
    return await _joining(stage, 10_000, until_answered=True)


async def _joining(stage: Stage, size: int, *, until_answered: bool = False) -> Work:
    members = stage.scaled(size, 2)
    (user,) = await stage.users(1)
    servers = RemoteServers()
    await servers.open()

    async def step() -> Sequence[Trip]:
        room = RemoteRoom(secrets.token_hex(8), servers.servers, members)
        servers.host(room)
        started = time.perf_counter()
        target = f"{CLIENT}/join/{quote(room.room_id)}?via={servers.servers[0].server_name}"
        answer = await user.connection.request("POST", target, b"{}")
        answered = time.perf_counter()
        accepted(answer)
        greeting = f"hello, {room.room_id}"
        accepted(await user.send(room.room_id, greeting))
        await servers.heard(greeting)
        await _members_served(user, room.room_id, members + 1)
        end = answered if until_answered else time.perf_counter()
        servers.forget(room)
        return (Trip(end - started, answer),)

    return Work([step], lambda answer: has_key("room_id", answer), servers.close)


async def _members_served(user: User, room_id: str, number: int) -> None:
    target = f"{CLIENT}/rooms/{quote(room_id)}/joined_members"
    while True:
        served = accepted(await user.connection.request("GET", target))["joined"]
        if len(served) == number:
            return
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


@scenario(turns=20)
async def outbound_500(stage: Stage) -> Work:
    """One message told to one of 500 other servers in a room with a user from each. One sender, one message after the
    other has arrived everywhere."""
    number = stage.scaled(DESTINATIONS, 2)
    (user,) = await stage.users(1)
    servers = RemoteServers([f"127.0.{each // 250 + 1}.{each % 250 + 1}" for each in range(number)])
    await servers.open()
    room = RemoteRoom(secrets.token_hex(8), servers.servers, number)
    servers.host(room)
    target = f"{CLIENT}/join/{quote(room.room_id)}?via={servers.servers[0].server_name}"
    accepted(await user.connection.request("POST", target, b"{}"))
    await _members_served(user, room.room_id, number + 1)
    said = count(1)

    async def step() -> Sequence[Trip]:
        message = f"message {next(said)} to everybody"
        started = time.perf_counter()
        answer = await user.send(room.room_id, message)
        return [Trip(heard - started, answer) for heard in await servers.heard(message, number)]

    return Work([step], lambda answer: has_key("event_id", answer), servers.close)


def _now_ms() -> int:
    return int(time.time() * 1000)
