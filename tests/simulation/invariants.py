"""What holds once all servers are up again and have told each other everything."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import combinations
from urllib.parse import quote

from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.signing import SigningKey
from homeserver.rooms.verification.database import verify
from homeserver.rooms.verification.stored import Identity
from homeserver.storage.engine import Transaction
from tests.client import Json
from tests.simulation.server import SimulatedServer
from tests.simulation.story import Person, Story

State = dict[tuple[str, str], tuple[str, str]]
"""What stands in each slot: an event ID and, of members, the membership."""

_EMPTY = ("federation_staged_event", "federation_waiting_edu", "room_partial")


def violations(story: Story) -> Iterator[str]:
    """What is wrong, in words; nothing if all is well."""
    yield from story.world.failures
    yield from _states_differ(story)
    yield from _events_are_missing(story)
    yield from _messages_to_devices_are_wrong(story)
    yield from _told_twice(story)
    yield from _keys_differ(story)
    for server in story.world.servers.values():
        yield from _is_unsound(server)


def _states_differ(story: Story) -> Iterator[str]:
    for room_id in story.rooms:
        people = story.anchors if room_id == story.rooms[0] else story.present(room_id)
        states = {person: _state(person, room_id) for person in people}
        for one, other in combinations(people, 2):
            # Who is put out by some, and does not hear of it from them, sees another room from then on.
            if _are_together(states[one], states[other], one, other):
                yield from _differences(room_id, one, states[one], other, states[other])


def _are_together(state: State, others: State, one: Person, other: Person) -> bool:
    slots = [("m.room.member", one.user_id), ("m.room.member", other.user_id)]
    return all(given.get(slot, ("", ""))[1] == "join" for given in (state, others) for slot in slots)


def _differences(room_id: str, one: Person, state: State, other: Person, others: State) -> Iterator[str]:
    for slot in sorted(state.keys() | others.keys()):
        if state.get(slot) != others.get(slot):
            yield (
                f"{slot} of {room_id} is {state.get(slot)} for {one.server},"
                f" {others.get(slot)} for {other.server}"
            )


def _state(person: Person, room_id: str) -> State:
    events = person.get(f"/rooms/{quote(room_id)}/state").json
    return {
        (event["type"], event["state_key"]): (event["event_id"], event["content"].get("membership", ""))
        for event in events
    }


def _events_are_missing(story: Story) -> Iterator[str]:
    """All servers were in the first room all the time; it is known to all of them, though perhaps refused."""
    room = story.rooms[0]
    wanted = {said.event_id: said for said in story.said if said.room_id == room}
    for name, server in story.world.servers.items():
        here = _known(server)
        for event_id, said in wanted.items():
            if event_id not in here:
                yield f"{event_id} of {said.server} is not at {name}"


def _known(server: SimulatedServer) -> set[str]:
    with closing(server.engine.connect()) as connection, connection.reading() as txn:
        return {event_id for (event_id,) in txn.rows("SELECT event_id FROM room_event")}


def _messages_to_devices_are_wrong(story: Story) -> Iterator[str]:
    by_user = {person.user_id: person for person in story.everybody}
    wanted = Counter(story.sent_to_devices)
    for what, user_id in wanted:
        times = by_user[user_id].received.count(what)
        if times != 1:
            yield f"{what} came to {user_id} {times} times"


def _told_twice(story: Story) -> Iterator[str]:
    """Who leaves and comes back is told again what was said last, but the anchors stay."""
    for anchor in story.anchors:
        for event_id, times in Counter(anchor.told.get(story.rooms[0], ())).items():
            if times > 1:
                yield f"{anchor.user_id} was told {event_id} {times} times"


def _keys_differ(story: Story) -> Iterator[str]:
    """Who shares a room with somebody knows the keys of their devices as their own server does."""
    for owner in story.anchors:
        wish: Json = {"device_keys": {owner.user_id: []}}
        own = owner.post("/keys/query", wish)["device_keys"]
        for viewer in story.anchors:
            told = viewer.post("/keys/query", wish)["device_keys"]
            if told != own:
                yield f"{viewer.user_id} is told {told} as the keys of {owner.user_id}, which are {own}"


def _is_unsound(server: SimulatedServer) -> Iterator[str]:
    with closing(server.engine.connect()) as connection:
        identity = Identity(ServerName(server.name), SigningKey("test", b"\x01" * 32))
        findings = verify(connection, identity, lambda findings, rooms: None)
        yield from (f"{server.name}: {line}" for line in findings.lines())
        with connection.reading() as txn:
            yield from (f"{server.name}: {left}" for left in _left(txn))


def _left(txn: Transaction) -> Iterator[str]:
    for table in _EMPTY:
        row = txn.row(f"SELECT count(*) FROM {table}")
        if row is not None and row[0]:
            yield f"{table} has {row[0]} rows"
    for (server,) in txn.rows("SELECT server FROM federation_destination WHERE failing_since IS NOT NULL"):
        yield f"{server} is still taken to be out of reach"
