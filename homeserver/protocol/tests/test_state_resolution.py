"""Properties of resolution in random rooms, and agreement with a model; each algorithm has tests beside."""

from collections.abc import Iterator
from random import Random

import pytest

from homeserver.protocol.event import Slot
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion, StateResolution
from homeserver.protocol.state_resolution import resolve
from homeserver.protocol.tests.random_rooms import RandomRoom, State
from homeserver.protocol.tests.resolution_model import Model

SEEDS = 12
EVENTS = 60


def random_rooms(*versions: RoomVersion) -> pytest.MarkDecorator:
    cases = [(version, seed) for version in versions for seed in range(SEEDS)]
    return pytest.mark.parametrize(
        ("version", "seed"), cases, ids=[f"{version.identifier}-{seed}" for version, seed in cases]
    )


every_version = random_rooms(*ROOM_VERSIONS.values())
later_versions = random_rooms(
    *(version for version in ROOM_VERSIONS.values() if version.state_resolution is not StateResolution.V1)
)


def grown_room(version: RoomVersion, seed: int) -> RandomRoom:
    room = RandomRoom(version, Random(seed))
    room.grow(EVENTS)
    return room


def forks(room: RandomRoom, count: int) -> Iterator[list[State]]:
    """States after events of different branches, that differ."""
    while count:
        tips = room.random.sample(list(room.events), room.random.choice([2, 2, 3, 4]))
        states = [room.state_after[tip] for tip in tips]
        if any(state != states[0] for state in states):
            yield states
            count -= 1


@later_versions
def test_agrees_with_the_model(version: RoomVersion, seed: int) -> None:
    room = grown_room(version, seed)
    model = Model(room.events)
    for states in forks(room, 4):
        assert resolve(version, states, room.graph()) == model.resolve(states)


@every_version
def test_order_does_not_matter(version: RoomVersion, seed: int) -> None:
    room = grown_room(version, seed)
    for states in forks(room, 4):
        expected = resolve(version, states, room.graph())
        shuffled = [dict(room.random.sample(list(state.items()), len(state))) for state in states]
        room.random.shuffle(shuffled)
        assert resolve(version, shuffled, room.graph()) == expected
        assert resolve(version, [*states, states[0]], room.graph()) == expected, "nor does repetition"


@every_version
def test_only_the_difference_need_be_given(version: RoomVersion, seed: int) -> None:
    room = grown_room(version, seed)
    for states in forks(room, 4):
        agreed = dict(set.intersection(*(set(state.items()) for state in states)))
        parts = [{slot: event for slot, event in state.items() if slot not in agreed} for state in states]
        resolved = resolve(version, parts, room.graph(), LookedUp(agreed))
        assert {**resolved, **agreed} == resolve(version, states, room.graph())
        assert not resolved.keys() & agreed.keys()


@every_version
def test_what_all_agree_on_stays(version: RoomVersion, seed: int) -> None:
    room = grown_room(version, seed)
    for states in forks(room, 4):
        resolved = resolve(version, states, room.graph())
        for slot, event_id in set.intersection(*(set(state.items()) for state in states)):
            assert resolved[slot] == event_id
        assert all(room.events[event_id].slot == slot for slot, event_id in resolved.items())
        assert resolve(version, [resolved, resolved], room.graph()) == resolved


class LookedUp(dict[Slot, EventID]):
    """A state that may be large. Only an auth graph may go through all its values, and none needs to."""

    def __iter__(self) -> Iterator[Slot]:
        raise AssertionError("the agreed state was gone through")


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=list(ROOM_VERSIONS))
def test_of_one_state_and_of_none(version: RoomVersion) -> None:
    room = grown_room(version, 0)
    state = room.state_after[list(room.events)[-1]]
    assert resolve(version, [state], room.graph()) == state
    assert resolve(version, [], room.graph()) == {}
    assert resolve(version, [{}, {}], room.graph()) == {}
