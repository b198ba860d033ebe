"""Measures the rules of rooms, ours and Synapse's functions on the same events: state resolution, auth, signatures.

scripts/bench rules

All figures are CPU time, the least of several runs, with all events in memory. Ours are told where the states differ,
as the storage knows; Synapse's are told the states, and compute the auth difference from the chain cover index, in
an SQLite database in memory; then once more without that ("auth difference known").
"""

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.event import Event, Slot
from homeserver.protocol.event_auth import auth_slots, check_auth, check_auth_events
from homeserver.protocol.event_signatures import verify_event
from homeserver.protocol.events import parse_pdu
from homeserver.protocol.hashes import content_hash, content_hash_matches, essential_json
from homeserver.protocol.identifiers import EventID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.power_levels import CREATE
from homeserver.protocol.room_versions import DEFAULT_ROOM_VERSION, ROOM_VERSIONS, RoomVersion
from homeserver.protocol.signing import EventSigner
from homeserver.protocol.state_resolution import resolve
from homeserver.protocol.unpadded_base64 import encode_base64
from synapse_compat_tests.differential.drafts import CREATOR, Draft, member
from synapse_compat_tests.differential.event_building import built, signer_of
from synapse_compat_tests.differential.receipt import cited_state
from synapse_compat_tests.differential.synapse_process import SynapseSide

_TIMINGS = "synapse_compat_tests.differential.synapse_timings"

_EVENTS = 5_000
_SIGNED = 1_000
_RUNS = 10
_NAME_WIDTH = 70


class LargeRoom:
    """A public room of state events, and what it has become on one of its branches."""

    def __init__(self, version: RoomVersion, members: int) -> None:
        self.version = version
        # Shared by all branches.
        self.events: dict[EventID, Event] = {}
        self.state: dict[Slot, EventID] = {}
        self._last: EventID | None = None
        creator: JsonObject = {} if version.implicit_creator else {"creator": CREATOR}
        self.add(Draft("m.room.create", "", CREATOR, {"room_version": version.identifier, **creator}))
        self.add(member(CREATOR, "join"))
        self.add(self._levels({}))
        self.add(Draft("m.room.join_rules", "", CREATOR, {"join_rule": "public"}))
        for number in range(1, members):
            self.add(member(user(number), "join"))

    def branch(self) -> "LargeRoom":
        other = copy(self)
        other.state = dict(self.state)
        return other

    def change(self, first: int) -> None:
        """A hundred events: mostly of members from number `first` on, who move, leave, are banned, or come."""
        for number in range(first, first + 60):
            self.add(member(user(number), "join", displayname=f"Number {number} of {first}"))
        for number in range(first + 60, first + 70):
            self.add(member(user(number), "leave", user(1)))
            self.add(member(user(number + 20), "ban", user(2)))
            self.add(member(user(1_000_000 + number), "join"))
        for number in range(5):
            self.add(self._levels({user(first + number): 25}))
            self.add(Draft("m.room.topic", "", user(3), {"topic": f"{first} {number}"}))

    def _levels(self, others: Mapping[UserID, int]) -> Draft:
        users = {user(number): 50 for number in range(1, 6)} | dict(others)
        if not self.version.privileged_creators:
            users[CREATOR] = 100
        return Draft("m.room.power_levels", "", CREATOR, {"users": users})

    def add(self, wanted: Draft) -> Event:
        """The event that follows the last one."""
        number = len(self.events)
        slots = auth_slots(
            type=wanted.type,
            sender=wanted.sender,
            state_key=wanted.state_key,
            content=wanted.content,
            version=self.version,
        )
        event = built(
            wanted,
            self.version,
            self.events[self.state[CREATE]] if self.state else None,
            number=number,
            origin_server_ts=number,
            depth=number,
            prev_events=[] if self._last is None else [self._last],
            auth_events=[self.state[slot] for slot in slots if slot in self.state],
        )
        self._last = event.event_id
        self.events[event.event_id] = event
        self.state[event.slot] = event.event_id
        return event


@dataclass(frozen=True, slots=True)
class Figure:
    """Seconds."""

    name: str
    ours: float
    synapse: float

    def line(self) -> str:
        ratio = self.synapse / self.ours
        return f"{self.name:<{_NAME_WIDTH}} {self.ours * 1e3:9.2f} {self.synapse * 1e3:9.2f} {ratio:7.1f}"


def resolution(version: RoomVersion, members: int, synapse: SynapseSide) -> list[Figure]:
    """A fork of which both branches changed a hundred events, some of them the same."""
    room = LargeRoom(version, members)
    one, other = room.branch(), room.branch()
    one.change(first=100)
    other.change(first=140)
    agreed = dict(one.state.items() & other.state.items())
    differing = [
        {slot: event_id for slot, event_id in branch.state.items() if slot not in agreed}
        for branch in (one, other)
    ]
    graph = LoadedAuthGraph(room.events)
    theirs = synapse.call(
        "resolve",
        room_version=version.identifier,
        events=_pdus(room.events.values()),
        fork=[list(branch.state.values()) for branch in (one, other)],
        runs=_RUNS,
    )
    resolved = resolve(version, differing, graph, agreed)
    if set(theirs["resolved"]) != {*resolved.values(), *agreed.values()}:
        raise AssertionError("The two resolve the fork differently")
    seconds = _least(lambda: resolve(version, differing, graph, agreed))
    name = f"resolve a fork of 200 events, {members:,} members"
    return [
        Figure(name, seconds, theirs["seconds"]),
        Figure(f"{name}, auth difference known", seconds, theirs["seconds_without_difference"]),
    ]


def authorisation(room: LargeRoom, synapse: SynapseSide) -> Figure:
    """Each event as on receipt: its choice of auth events, then the rules by these, then by a state before it."""
    events = list(room.events.values())
    citing = [(event, [room.events[cited] for cited in event.auth_events]) for event in events]
    states = [cited_state(event, cited, room.events) for event, cited in citing]

    def check_all() -> None:
        for (event, cited), state in zip(citing, states, strict=True):
            check_auth_events(event, cited)
            check_auth(event, state)
            check_auth(event, state)

    theirs = synapse.call("auth", room_version=room.version.identifier, events=_pdus(events), runs=_RUNS)
    return Figure(f"authorise {len(events):,} events", _least(check_all), theirs)


def signatures(room: LargeRoom, synapse: SynapseSide) -> list[Figure]:
    """Hashing and signing events, and verifying both, with one key."""
    version = room.version
    signer = signer_of(CREATOR)
    bare = [_without(event.pdu(), "hashes", "signatures") for event in room.events.values()][:_SIGNED]
    signed = [_signed(pdu, version, signer) for pdu in bare]
    events = [parse_pdu(pdu, version) for pdu in signed]

    def verify_all() -> None:
        for event in events:
            verify_event(event, signer.server_name, signer.key.key_id, signer.key.public_key)
            if not content_hash_matches(event):
                raise AssertionError("An event was changed")

    arguments = {
        "room_version": version.identifier,
        "server_name": signer.server_name,
        "seed": encode_base64(signer.key.seed),
        "runs": _RUNS,
    }
    return [
        Figure(
            f"hash and sign {len(bare):,} events",
            _least(lambda: [_signed(pdu, version, signer) for pdu in bare]),
            synapse.call("sign", pdus=bare, **arguments),
        ),
        Figure(
            f"verify hashes and signatures of {len(bare):,} events",
            _least(verify_all),
            synapse.call("verify", pdus=signed, **arguments),
        ),
    ]


def measure(version: RoomVersion, sizes: Sequence[int], synapse: SynapseSide) -> Iterator[Figure]:
    for members in sizes:
        yield from resolution(version, members, synapse)
    room = LargeRoom(version, _EVENTS - 3)
    yield authorisation(room, synapse)
    yield from signatures(room, synapse)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench rules",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", choices=list(ROOM_VERSIONS), default=DEFAULT_ROOM_VERSION, help="of the rooms"
    )
    parser.add_argument("--members", type=int, nargs="+", default=[1_000, 10_000, 50_000], metavar="N")
    options = parser.parse_args(arguments)
    print(f"{f'room version {options.version}':<{_NAME_WIDTH}} {'ours ms':>9} {'Synapse':>9} {'ratio':>7}")
    with SynapseSide(_TIMINGS) as synapse:
        for figure in measure(ROOM_VERSIONS[options.version], options.members, synapse):
            print(figure.line(), flush=True)
    return 0


def user(number: int) -> UserID:
    return UserID(f"@user{number}:server{number % 50}.example")


def _pdus(events: Iterable[Event]) -> list[JsonObject]:
    return [event.pdu() for event in events]


def _without(pdu: JsonObject, *keys: str) -> JsonObject:
    return {key: value for key, value in pdu.items() if key not in keys}


def _signed(bare: JsonObject, version: RoomVersion, signer: EventSigner) -> JsonObject:
    hashed = {**bare, "hashes": {"sha256": content_hash(bare, version)}}
    return {**hashed, "signatures": signer.signatures(essential_json(hashed, version))}


def _least(run: Callable[[], object]) -> float:
    return min(_seconds(run) for _ in range(_RUNS))


def _seconds(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started
