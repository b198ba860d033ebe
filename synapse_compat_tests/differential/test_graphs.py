"""Random rooms with forks: the same events are accepted, and the same states resolved, by us and by Synapse.

Thousands of them: python -m synapse_compat_tests.differential --graphs 5000
"""

from collections.abc import Iterable, Iterator, Sequence

import pytest

from homeserver.protocol.event import Slot
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.power_levels import POWER_LEVELS
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from homeserver.protocol.state_resolution import resolve
from synapse_compat_tests.differential.comparison import disagreements
from synapse_compat_tests.differential.graphs import RandomRoom, State
from synapse_compat_tests.differential.synapse_process import SynapseFunctions

SEEDS = range(20)

every_version = pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=list(ROOM_VERSIONS))


def test_synapse_has_every_version(synapse: SynapseFunctions) -> None:
    assert ROOM_VERSIONS.keys() <= set(synapse.room_versions())


@every_version
@pytest.mark.parametrize("seed", SEEDS)
def test_forks_are_resolved_alike(version: RoomVersion, seed: int, synapse: SynapseFunctions) -> None:
    assert list(disagreements(version, seed, synapse)) == []


@every_version
def test_the_rooms_are_worth_comparing(version: RoomVersion) -> None:
    """Enough is accepted and refused, and states differ in what decides about others."""
    rooms = [grown(version, seed) for seed in SEEDS]
    accepted = [attempt.refused is None for room in rooms for attempt in room.attempts]
    assert 0.3 < sum(accepted) / len(accepted) < 0.7
    conflicted = [slot for room in rooms for fork in room.forks(6) for slot in conflicts(fork)]
    for type_ in ("m.room.member", "m.room.join_rules", "m.room.topic", "m.room.third_party_invite"):
        assert sum(slot[0] == type_ for slot in conflicted) >= 5
    assert conflicted.count(POWER_LEVELS) >= 30
    assert any(room.rejected for room in rooms)


def grown(version: RoomVersion, seed: int) -> RandomRoom:
    room = RandomRoom(version, seed)
    room.grow(50)
    return room


def conflicts(fork: Sequence[State]) -> Iterable[Slot]:
    slots = {slot for state in fork for slot in state}
    return (slot for slot in slots if len({state.get(slot) for state in fork}) > 1)


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=list(ROOM_VERSIONS))
def test_a_seed_makes_the_same_room(version: RoomVersion) -> None:
    one, same, other = grown(version, 1), grown(version, 1), grown(version, 2)
    assert list(one.events) == list(same.events)
    assert one.forks(5) == same.forks(5)
    assert list(one.events) != list(other.events)


@pytest.mark.parametrize("version", list(ROOM_VERSIONS.values())[1:], ids=list(ROOM_VERSIONS)[1:])
def test_deviation_synapse_keeps_rejected_events_out(version: RoomVersion, synapse: SynapseFunctions) -> None:
    """ "Events that have been rejected due to failing auth based on the state at the event (...) are handled as
    usual by the algorithm": so they may win. A note in Synapse's source says that it is wrong.
    """
    room, fork, winner = next(won_names(version))
    slot = room.events[winner].slot
    room.rejected.add(winner)
    assert resolve(version, fork, room.auth_graph())[slot] == winner
    [outcome] = synapse.resolve(version, room.events, room.rejected, [fork])
    assert outcome.raised is None
    assert outcome.value.get(slot) != winner


def won_names(version: RoomVersion) -> Iterator[tuple[RandomRoom, Sequence[State], EventID]]:
    """Rooms with forks that disagree about a name, on which nothing rests, and what it becomes."""
    for seed in SEEDS:
        room = grown(version, seed)
        for fork in room.forks(10):
            resolved = resolve(version, fork, room.auth_graph())
            winners = [
                resolved[slot] for slot in conflicts(fork) if slot[0] == "m.room.name" and slot in resolved
            ]
            yield from ((room, fork, winner) for winner in winners)
