"""Properties of resolution in random rooms, and agreement with a model; each algorithm has tests beside.

FOLKMOOT_TEST_SEEDS=100:600 tries other random rooms than the usual ones, in each room version.
"""

import os
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion, StateResolution
from homeserver.protocol.state_resolution import resolve
from homeserver.protocol.tests.random_rooms import RandomRoom, State
from homeserver.protocol.tests.resolution_model import Model
from homeserver.protocol.tests.resolution_model_v1 import ModelV1

_FIRST, _LAST = map(int, os.environ.get("FOLKMOOT_TEST_SEEDS", "0:12").split(":"))
SEEDS = range(_FIRST, _LAST)
EVENTS = 60
FORKS = 4

every_version = pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=list(ROOM_VERSIONS))
every_seed = pytest.mark.parametrize("seed", SEEDS)


def grown_room(version: RoomVersion, seed: int) -> RandomRoom:
    room = RandomRoom(version, Random(seed))
    room.grow(EVENTS)
    return room


def forks(room: RandomRoom) -> Iterator[list[State]]:
    return (room.fork() for _ in range(FORKS))


def modelled(room: RandomRoom, states: list[State]) -> State:
    if room.version.state_resolution is StateResolution.V1:
        return ModelV1(room.events).resolve(states)
    return Model(room.events, frozenset(room.rejected)).resolve(states)


@every_version
@every_seed
def test_agrees_with_the_model(version: RoomVersion, seed: int) -> None:
    room = grown_room(version, seed)
    for states in forks(room):
        assert resolve(version, states, room.graph()) == modelled(room, states)
    room.reject_some()
    for states in forks(room):
        assert resolve(version, states, room.graph()) == modelled(room, states)


@every_version
@every_seed
def test_order_does_not_matter(version: RoomVersion, seed: int) -> None:
    room = grown_room(version, seed)
    for states in forks(room):
        expected = resolve(version, states, room.graph())
        shuffled = [dict(room.random.sample(list(state.items()), len(state))) for state in states]
        room.random.shuffle(shuffled)
        assert resolve(version, shuffled, room.graph()) == expected
        assert resolve(version, [*states, states[0]], room.graph()) == expected, "nor does repetition"


@every_version
@every_seed
def test_only_the_difference_need_be_given(version: RoomVersion, seed: int) -> None:
    room = grown_room(version, seed)
    for states in forks(room):
        agreed = dict(set.intersection(*(set(state.items()) for state in states)))
        parts = [{slot: event for slot, event in state.items() if slot not in agreed} for state in states]
        resolved = resolve(version, parts, room.graph(), LookedUp(agreed))
        assert {**resolved, **agreed} == resolve(version, states, room.graph())
        assert not resolved.keys() & agreed.keys()


@every_version
@every_seed
def test_what_all_agree_on_stays(version: RoomVersion, seed: int) -> None:
    room = grown_room(version, seed)
    for states in forks(room):
        resolved = resolve(version, states, room.graph())
        for slot, event_id in set.intersection(*(set(state.items()) for state in states)):
            assert resolved[slot] == event_id
        assert all(room.events[event_id].slot == slot for slot, event_id in resolved.items())
        assert resolve(version, [resolved, resolved], room.graph()) == resolved


class LookedUp(dict[Slot, EventID]):
    """A state that may be large. Only an auth graph may go through all its values, and none needs to."""

    def __iter__(self) -> Iterator[Slot]:
        raise AssertionError("the agreed state was gone through")


@every_version
def test_of_one_state_and_of_none(version: RoomVersion) -> None:
    room = grown_room(version, 0)
    state = room.state_after[list(room.events)[-1]]
    assert resolve(version, [state], room.graph()) == state
    assert resolve(version, [], room.graph()) == {}
    assert resolve(version, [{}, {}], room.graph()) == {}


@every_version
def test_the_rooms_are_worth_resolving(version: RoomVersion) -> None:
    """There are fights about everything that decides about the rest."""
    rooms = [grown_room(version, seed) for seed in range(12)]
    conflicts = Counter(slot[0] for room in rooms for states in forks(room) for slot in conflicting(states))
    assert min(conflicts[f"m.room.{kind}"] for kind in ("power_levels", "join_rules", "topic", "name")) > 5
    assert conflicts["m.room.member"] > 50
    authorised = [join for room in rooms for join in authorised_joins(room)]
    assert (len(authorised) > 5) is version.restricted


def authorised_joins(room: RandomRoom) -> Iterator[Event]:
    """Joins by grace of somebody else."""
    for event in room.events.values():
        authorising_user = event.content.get(AUTHORISED_VIA)
        cited = {room.events[event_id].slot for event_id in event.auth_events}
        if authorising_user != event.sender and ("m.room.member", authorising_user) in cited:
            yield event


def conflicting(states: list[State]) -> Iterator[Slot]:
    slots = {slot for state in states for slot in state}
    return (slot for slot in slots if len({state.get(slot) for state in states}) > 1)
