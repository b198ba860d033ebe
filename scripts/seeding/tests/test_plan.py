from collections import Counter

import pytest

from scripts.seeding.plan import Act, Kind, Plan, make_plan

LINES = 600


@pytest.fixture(params=range(5))
def plan(request: pytest.FixtureRequest) -> Plan:
    return make_plan(LINES, seed=request.param)


def test_one_seed_makes_one_plan() -> None:
    assert make_plan(200, seed=7) == make_plan(200, seed=7)
    assert make_plan(200, seed=7).lines != make_plan(200, seed=8).lines


def test_there_is_every_kind_of_room_and_of_line(plan: Plan) -> None:
    assert len(plan.lines) == LINES
    assert {room.kind for room in plan.rooms} == set(Kind)
    assert {line.act for line in plan.lines} == set(Act)
    assert max(len(room.members) for room in plan.rooms) == 50


def test_everybody_has_a_name_to_themselves(plan: Plan) -> None:
    assert len({person.localpart for person in plan.people}) == len(plan.people) == 50


def test_only_members_speak_and_never_in_the_space(plan: Plan) -> None:
    for line in plan.lines:
        assert line.sender in plan.rooms[line.room].members
        assert plan.rooms[line.room].kind is not Kind.SPACE


def test_a_line_is_about_an_earlier_one_of_its_room_that_is_about_none(plan: Plan) -> None:
    for number, line in enumerate(plan.lines):
        assert (line.target is None) == (line.act is Act.SAY)
        for other in (line.target, line.latest):
            assert other is None or (other < number and plan.lines[other].room == line.room)
        assert line.target is None or plan.lines[line.target].act is Act.SAY


def test_people_edit_their_own_words_only(plan: Plan) -> None:
    edits = [line for line in plan.lines if line.act is Act.EDIT]
    assert all(line.target is not None and plan.lines[line.target].sender == line.sender for line in edits)


def test_nobody_reacts_twice_in_the_same_way(plan: Plan) -> None:
    reactions = Counter((line.sender, line.target, line.text) for line in plan.lines if line.act is Act.REACT)
    assert set(reactions.values()) == {1}


def test_a_thread_goes_on_where_it_stopped(plan: Plan) -> None:
    ends: dict[int | None, int | None] = {}
    for number, line in enumerate(plan.lines):
        if line.act is Act.THREAD:
            assert line.latest == ends.get(line.target, line.target)
            ends[line.target] = number


def test_nobody_is_asked_to_two_private_rooms_or_two_direct_chats(plan: Plan) -> None:
    for kind in (Kind.PRIVATE, Kind.DIRECT):
        invited = [
            person for room in plan.rooms if room.kind is kind for person in (*room.members, *room.visitors)
        ]
        assert len(invited) == len(set(invited))
