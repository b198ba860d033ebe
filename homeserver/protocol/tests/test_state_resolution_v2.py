"""Room versions 2 and later: what each step of the algorithm is for."""

import pytest

from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.event import Event, Slot
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.state_resolution import resolve
from homeserver.protocol.tests.rooms import ALICE, BOB, CAROL, CREATOR, Room, versions

POWER: Slot = ("m.room.power_levels", "")
JOIN_RULES: Slot = ("m.room.join_rules", "")
TOPIC: Slot = ("m.room.topic", "")


class Story:
    """A room with branches; remembers every event, so that the branches can be resolved."""

    def __init__(self, version: RoomVersion) -> None:
        self.version = version
        self.events: dict[EventID, Event] = {}
        self.rejected: list[EventID] = []
        self.trunk = Room.with_members(version, ALICE, BOB, CAROL)
        self.remember(self.trunk)
        self.trunk.set_levels({ALICE: 50, BOB: 50})
        self.remember(self.trunk)

    def remember(self, *branches: Room) -> None:
        for branch in branches:
            self.events |= {event.event_id: event for event in branch.state.values()}

    def branches(self) -> tuple[Room, Room]:
        return self.trunk.branch(), self.trunk.branch()

    def resolved(self, *branches: Room) -> dict[Slot, Event]:
        self.remember(*branches)
        states = [{slot: event.event_id for slot, event in branch.state.items()} for branch in branches]
        graph = LoadedAuthGraph(self.events, self.rejected)
        return {slot: self.events[id_] for slot, id_ in resolve(self.version, states, graph).items()}


@versions(2)
def test_a_ban_comes_before_what_the_banned_did_meanwhile(version: RoomVersion) -> None:
    story = Story(version)
    one, other = story.branches()
    ban = one.member(BOB, "ban", sender=CREATOR)
    # Earlier by its clock, but only the ban is a power event.
    other.add("m.room.topic", {}, sender=BOB, state_key="", origin_server_ts=1)
    state = story.resolved(one, other)
    assert state[ban.slot] is ban
    assert TOPIC not in state


@versions(2)
def test_the_more_powerful_comes_first(version: RoomVersion) -> None:
    story = Story(version)
    one, other = story.branches()
    demoted = one.set_levels({ALICE: 50, BOB: 0})
    story.remember(one)
    users = {**demoted.content["users"], BOB: 50, CAROL: 50}
    other.add("m.room.power_levels", {"users": users}, sender=BOB, state_key="", origin_server_ts=1)
    assert story.resolved(one, other)[POWER] is demoted


@versions(2)
@pytest.mark.parametrize("tied", [False, True])
def test_among_equals_time_decides_then_the_id(tied: bool, version: RoomVersion) -> None:
    story = Story(version)
    one, other = story.branches()
    early = one.add("m.room.join_rules", {"join_rule": "invite"}, state_key="", origin_server_ts=5)
    at = 5 if tied else 6
    late = other.add("m.room.join_rules", {"join_rule": "knock"}, state_key="", origin_server_ts=at)
    last = max(early, late, key=lambda event: event.event_id) if tied else late
    assert story.resolved(one, other)[early.slot] is last


@versions(2)
def test_topics_follow_the_mainline(version: RoomVersion) -> None:
    story = Story(version)
    one, other = story.branches()
    # Newer by its clock, but it rests on older power levels.
    one.add("m.room.topic", {}, sender=ALICE, state_key="", origin_server_ts=9_000_000)
    other.set_levels({ALICE: 50, BOB: 50, CAROL: 10})
    story.remember(other)
    newer = other.add("m.room.topic", {}, sender=ALICE, state_key="", origin_server_ts=1)
    assert story.resolved(one, other)[TOPIC] is newer


@versions(2)
@pytest.mark.parametrize("tied", [False, True])
def test_on_one_place_of_the_mainline_time_decides_then_the_id(tied: bool, version: RoomVersion) -> None:
    story = Story(version)
    one, other = story.branches()
    early = one.add("m.room.topic", {}, sender=ALICE, state_key="", origin_server_ts=5)
    late = other.add("m.room.topic", {"x": 1}, sender=ALICE, state_key="", origin_server_ts=5 if tied else 6)
    last = max(early, late, key=lambda event: event.event_id) if tied else late
    assert story.resolved(one, other)[TOPIC] is last


@versions(2)
def test_what_is_on_one_branch_only_is_checked_too(version: RoomVersion) -> None:
    story = Story(version)
    one, other = story.branches()
    one.set_levels({ALICE: 0, BOB: 50})
    story.remember(one)
    other.add("m.room.topic", {}, sender=ALICE, state_key="")
    name = other.add("m.room.name", {}, sender=BOB, state_key="")
    state = story.resolved(one, other)
    assert TOPIC not in state
    assert state[name.slot] is name


@versions(2)
def test_what_the_state_lacks_comes_from_auth_events_that_are_not_rejected(version: RoomVersion) -> None:
    story = Story(version)
    story.trunk.set_levels({CAROL: 50})
    # Cites Carol's membership in all branches, so that this is in no auth difference.
    story.trunk.add("m.room.name", {}, sender=CAROL, state_key="")
    story.remember(story.trunk)
    one, other = story.branches()
    topic = one.add("m.room.topic", {}, sender=CAROL, state_key="")
    for branch in (one, other):
        del branch.state["m.room.member", CAROL]
    assert story.resolved(one, other)[TOPIC] is topic
    story.rejected = [story.trunk.state["m.room.member", CAROL].event_id]
    assert TOPIC not in story.resolved(one, other)


@versions(2)
def test_present_rules_do_not_undo_a_join_since_12(version: RoomVersion) -> None:
    """What MSC4297 mends: before, all began with the unconflicted state, which here lets nobody join."""
    story = Story(version)
    story.trunk.join_rule("invite")
    one, other = story.branches()
    joined = one.state["m.room.member", CAROL]
    del other.state[joined.slot]
    assert (joined.slot in story.resolved(one, other)) is (version.identifier == "12")


@versions(2)
def test_who_is_kicked_does_not_return_by_an_older_branch(version: RoomVersion) -> None:
    story = Story(version)
    one, other = story.branches()
    kicked = one.member(CAROL, "leave", sender=CREATOR)
    other.member(CAROL, "join", displayname="Carol")
    other.join_rule("invite")
    assert story.resolved(one, other)[kicked.slot] is kicked


@versions(2)
def test_creators_come_before_all_others_since_12(version: RoomVersion) -> None:
    story = Story(version)
    story.trunk.set_levels({ALICE: 1_000, BOB: 50}, events={"m.room.join_rules": 50})
    story.remember(story.trunk)
    one, other = story.branches()
    by_creator = one.add("m.room.join_rules", {"join_rule": "invite"}, state_key="", origin_server_ts=9)
    by_alice = other.add(
        "m.room.join_rules", {"join_rule": "knock"}, sender=ALICE, state_key="", origin_server_ts=1
    )
    # The last that is applied stays.
    expected = by_alice if version.identifier == "12" else by_creator
    assert story.resolved(one, other)[JOIN_RULES] is expected


@versions(2, 9)
def test_senders_of_unreadable_levels_have_no_power(version: RoomVersion) -> None:
    story = Story(version)
    story.trunk.set_levels({ALICE: 50}, users_default="x", state_default=0, events={"m.room.join_rules": 0})
    one, other = story.branches()
    mighty = one.add(
        "m.room.join_rules", {"join_rule": "invite"}, sender=ALICE, state_key="", origin_server_ts=2
    )
    other.add("m.room.join_rules", {"join_rule": "knock"}, sender=BOB, state_key="", origin_server_ts=1)
    assert story.resolved(one, other)[mighty.slot] is mighty
