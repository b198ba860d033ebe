"""What one random room shows: where our rules and Synapse's do not agree."""

from collections.abc import Iterator, Sequence

from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.state_resolution import resolve
from synapse_compat_tests.differential.deviations import Deviation, deviation_of
from synapse_compat_tests.differential.graphs import RandomRoom
from synapse_compat_tests.differential.synapse_process import AuthCase, Outcome, State, SynapseFunctions
from synapse_compat_tests.differential.trials import Judged, judge, random_trial_room

_ATTEMPTS = 50
_FORKS = 6
_ROUNDS = 12
_CASES_PER_ROUND = 10


def disagreements(version: RoomVersion, seed: int, synapse: SynapseFunctions) -> Iterator[str]:
    """What nobody knows of yet, in a room with forks, as text."""
    room = RandomRoom(version, seed)
    room.grow(_ATTEMPTS)
    yield from _about_attempts(room, synapse)
    yield from _about_forks(room, synapse)


def judged_trials(version: RoomVersion, seed: int, synapse: SynapseFunctions) -> Iterator[Judged]:
    """All that was tried in a room without forks, much of it malformed."""
    room = random_trial_room(version, seed)
    yield from judge(synapse, room.events.values(), room.random_create_cases(_CASES_PER_ROUND))
    for _ in range(_ROUNDS):
        judged = judge(synapse, room.events.values(), room.random_cases(_CASES_PER_ROUND))
        yield from judged
        room.go_on([each.case for each in judged if each.is_accepted_by_both])


def explanation(judged: Judged) -> Deviation | str:
    """Why it is no surprise that the two do not agree, or what is to be told."""
    return deviation_of(judged) or (
        f"we say {judged.ours}, Synapse says {judged.synapse}, of {judged.case.pdu}"
    )


def _about_attempts(room: RandomRoom, synapse: SynapseFunctions) -> Iterator[str]:
    cases = [AuthCase(attempt.event.pdu(), attempt.state.values()) for attempt in room.attempts]
    outcomes = synapse.auth(room.version, room.events.values(), room.rejected, cases)
    for attempt, outcome in zip(room.attempts, outcomes, strict=True):
        if (attempt.refused is None) is not (outcome.raised is None):
            yield f"we say {attempt.refused}, Synapse says {outcome.raised}, of {attempt.event}"


def _about_forks(room: RandomRoom, synapse: SynapseFunctions) -> Iterator[str]:
    forks = room.forks(_FORKS)
    yield from _about_resolution(room, forks, synapse)
    cited = sorted(room.merely_cited(forks[0]))
    room.rejected.update(room.random.sample(cited, len(cited) // 2))
    yield from _about_resolution(room, forks[:1], synapse)


def _about_resolution(
    room: RandomRoom, forks: Sequence[Sequence[State]], synapse: SynapseFunctions
) -> Iterator[str]:
    outcomes = synapse.resolve(room.version, room.events, room.rejected, forks)
    for fork, outcome in zip(forks, outcomes, strict=True):
        ours = resolve(room.version, fork, room.auth_graph())
        if ours != outcome.value:
            yield f"{len(fork)} states are resolved differently: {_difference(ours, outcome)}"


def _difference(ours: State, outcome: Outcome) -> str:
    if outcome.raised is not None:
        return f"Synapse raised {outcome.raised}"
    slots = sorted(slot for slot in ours.keys() | outcome.value if ours.get(slot) != outcome.value.get(slot))
    return ", ".join(
        f"at {slot} we have {ours.get(slot)}, Synapse {outcome.value.get(slot)}" for slot in slots
    )
