"""Room version 1: the deeper event wins where the one before it allows it."""

from hashlib import sha1

from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.event import Event, Slot
from homeserver.protocol.room_versions import ROOM_VERSIONS
from homeserver.protocol.state_resolution import resolve
from homeserver.protocol.tests.rooms import ALICE, BOB, CAROL, CREATOR, Room

V1 = ROOM_VERSIONS["1"]
POWER: Slot = ("m.room.power_levels", "")


def room_of_four() -> Room:
    room = Room.with_members(V1, ALICE, BOB, CAROL)
    room.set_levels({ALICE: 50, BOB: 50})
    return room


def resolved(*branches: Room) -> dict[Slot, Event]:
    events = {event.event_id: event for branch in branches for event in branch.state.values()}
    states = [{slot: event.event_id for slot, event in branch.state.items()} for branch in branches]
    answer = resolve(V1, states, LoadedAuthGraph(events))
    return {slot: events[event_id] for slot, event_id in answer.items()}


def two_branches() -> tuple[Room, Room]:
    room = room_of_four()
    return room, room.branch()


def test_what_one_branch_lacks_is_no_conflict() -> None:
    one, other = two_branches()
    topic = one.add("m.room.topic", {}, sender=CAROL, state_key="")
    assert resolved(one, other)[topic.slot] is topic


def test_the_deepest_allowed_event_wins() -> None:
    one, other = two_branches()
    allowed = one.add("m.room.topic", {}, sender=ALICE, state_key="", depth=100)
    other.add("m.room.topic", {}, sender=CAROL, state_key="", depth=101)
    assert resolved(one, other)[allowed.slot] is allowed
    deeper = other.add("m.room.topic", {}, sender=BOB, state_key="", depth=101)
    assert resolved(one, other)[allowed.slot] is deeper


def test_the_shallowest_wins_where_none_is_allowed() -> None:
    one, other = two_branches()
    shallow = one.add("m.room.topic", {}, sender=CAROL, state_key="", depth=100)
    other.add("m.room.topic", {}, sender=CAROL, state_key="", depth=101)
    assert resolved(one, other)[shallow.slot] is shallow


def test_equal_depths_are_told_apart_by_hash() -> None:
    one, other = two_branches()
    events = [
        branch.add("m.room.topic", {}, sender=ALICE, state_key="", depth=100) for branch in (one, other)
    ]
    lowest = min(events, key=lambda event: sha1(event.event_id.encode()).hexdigest())
    assert resolved(one, other)[lowest.slot] is lowest


def test_power_levels_follow_one_another() -> None:
    one, other = two_branches()
    first = one.add("m.room.power_levels", {"users": {CREATOR: 100, ALICE: 50}}, state_key="", depth=100)
    # Bob, who lost his level in the first, cannot go on from it.
    users = {CREATOR: 100, ALICE: 50, BOB: 50, CAROL: 50}
    second = other.add("m.room.power_levels", {"users": users}, sender=BOB, state_key="", depth=101)
    assert resolved(one, other)[POWER] is first
    del other.state[POWER]
    third = other.add("m.room.power_levels", {"users": users}, sender=CREATOR, state_key="", depth=102)
    assert resolved(one, other)[POWER] is third
    assert second.slot == POWER


def test_resolved_power_levels_decide_on_join_rules_and_these_on_members() -> None:
    one, other = two_branches()
    one.add("m.room.power_levels", {"users": {CREATOR: 100}}, state_key="", depth=100)
    other.add("m.room.power_levels", {"users": {CREATOR: 100, ALICE: 0}}, state_key="", depth=99)
    rules = one.add("m.room.join_rules", {"join_rule": "invite"}, state_key="", depth=98)
    other.add("m.room.join_rules", {"join_rule": "public"}, sender=ALICE, state_key="", depth=99)
    left = one.member(BOB, "leave")
    other.member(BOB, "join", displayname="Bob")
    state = resolved(one, other)
    assert state[rules.slot] is rules, "as Alice lost her level"
    assert state[left.slot] is left, "as Bob is not invited"


def test_members_are_resolved_without_each_other() -> None:
    one, other = two_branches()
    # The creator bans Alice at one end, at the other Alice bans Bob: both sides' states of Alice conflict.
    one.member(ALICE, "ban", sender=CREATOR)
    bob = one.member(BOB, "join", displayname="Bob")
    other.member(ALICE, "join", displayname="Alice")
    other.member(BOB, "ban", sender=ALICE)
    assert resolved(one, other)[bob.slot] is bob


def test_members_are_resolved_by_the_resolved_join_rules() -> None:
    one, other = two_branches()
    for branch in (one, other):
        branch.join_rule("public")
    one.member(BOB, "leave")
    joined = other.member(BOB, "join", displayname="Bob")
    assert resolved(one, other)[joined.slot] is joined


def test_a_ban_is_not_undone_by_a_deeper_join() -> None:
    one, other = two_branches()
    ban = one.member(BOB, "ban", sender=CREATOR)
    other.member(BOB, "join", displayname="Bob")
    assert resolved(one, other)[ban.slot] is ban
