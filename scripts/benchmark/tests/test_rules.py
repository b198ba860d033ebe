"""The benchmark of the rules measures what it says, on rooms that are small."""

from collections.abc import Iterator

import pytest

from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion, room_version
from scripts.benchmark.rules import Figure, LargeRoom, authorisation, resolution, signatures
from synapse_compat_tests.differential.synapse_process import SynapseSide

VERSION_12 = room_version("12")
LATEST = pytest.mark.parametrize("version", [ROOM_VERSIONS["11"], VERSION_12], ids=["11", "12"])


@pytest.fixture(scope="module")
def synapse() -> Iterator[SynapseSide]:
    with SynapseSide("synapse_compat_tests.differential.synapse_timings") as side:
        yield side


@LATEST
def test_a_branch_has_a_hundred_events_of_its_own(version: RoomVersion) -> None:
    room = LargeRoom(version, 300)
    assert len(room.state) == 303
    branch = room.branch()
    before = len(room.events)
    branch.change(first=100)
    assert len(room.events) == before + 100
    assert len(room.state) == 303, "the room itself stays as it was"
    assert len(dict(branch.state.items() - room.state.items())) == 92, "some slots changed five times"


@LATEST
def test_resolution_is_the_same_here_and_there(version: RoomVersion, synapse: SynapseSide) -> None:
    figures = resolution(version, 300, synapse)
    assert len(figures) == 2
    assert all(figure.ours > 0 and figure.synapse > 0 for figure in figures)


@LATEST
def test_events_of_a_small_room(version: RoomVersion, synapse: SynapseSide) -> None:
    room = LargeRoom(version, 20)
    figures = [authorisation(room, synapse), *signatures(room, synapse)]
    assert [figure.name.split()[0] for figure in figures] == ["authorise", "hash", "verify"]
    assert all(figure.ours > 0 and figure.synapse > 0 for figure in figures)


def test_a_figure_is_told_in_milliseconds() -> None:
    assert Figure("work", 0.002, 0.05).line().split() == ["work", "2.00", "50.00", "25.0"]
