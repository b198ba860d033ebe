from itertools import permutations
from typing import Any

import pytest

from homeserver.protocol.auth_graph import LoadedAuthGraph, auth_event_ids, ids_in_auth_order
from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from homeserver.protocol.tests.rooms import BOB, Room, every_version, versions

# By letter, the events that each cites: a diamond with a tail, and a branch beside it.
CITES = {"a": "", "b": "a", "c": "a", "d": "bc", "e": "d", "f": "a", "g": "f"}


def events_of(cites: dict[str, str]) -> dict[EventID, Event]:
    room = Room(ROOM_VERSIONS["1"])
    events: dict[EventID, Event] = {}
    for letter, cited in cites.items():
        fields: dict[str, Any] = {"event_id": EventID(letter), "auth_events": tuple(map(EventID, cited))}
        events[EventID(letter)] = room.add("x", {}, state_key=letter, **fields)
    return events


def graph_of(cites: dict[str, str]) -> LoadedAuthGraph:
    return LoadedAuthGraph(events_of(cites), rejected=[EventID("g")])


def ids(letters: str) -> set[EventID]:
    return set(map(EventID, letters))


GRAPH = graph_of(CITES)


@pytest.mark.parametrize("letters", list(permutations("abcdg")))
def test_auth_order(letters: tuple[str, ...]) -> None:
    """Of what is cited and not among them nothing is said."""
    events = events_of(CITES)
    order = ids_in_auth_order({EventID(letter): events[EventID(letter)] for letter in letters})
    assert sorted(order) == sorted(letters)
    assert order.index(EventID("a")) < order.index(EventID("b")) < order.index(EventID("d"))
    assert order.index(EventID("a")) < order.index(EventID("c")) < order.index(EventID("d"))


@pytest.mark.parametrize(
    "cites", [{"a": "a"}, {"a": "b", "b": "a"}, {"x": "", "a": "xb", "b": "xc", "c": "a"}]
)
def test_events_that_cite_each_other_have_no_order(cites: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="authorises itself"):
        ids_in_auth_order(events_of(cites))


def test_the_order_of_a_long_chain() -> None:
    letters = [chr(256 + number) for number in range(5000)]
    chain = events_of({letter: before for letter, before in zip(letters, ["", *letters], strict=False)})
    assert ids_in_auth_order(dict(reversed(chain.items()))) == letters


@pytest.mark.parametrize(
    ("starts", "chain"), [("", ""), ("a", "a"), ("d", "abcd"), ("eg", "abcdefg"), ("bf", "abf")]
)
def test_auth_chain(starts: str, chain: str) -> None:
    assert GRAPH.auth_chain(ids(starts)) == ids(chain)


@pytest.mark.parametrize(
    ("state_sets", "agreed", "difference"),
    [
        (["e", "g"], "", "bcdefg"),
        (["e", "g"], "b", "cdefg"),
        (["e", "g"], "df", "eg"),
        (["e", "d"], "", "e"),
        (["eg", "eg"], "", ""),
        (["e", "e", "f"], "", "bcdef"),
        (["b", ""], "a", "b"),
    ],
)
def test_auth_difference(state_sets: list[str], agreed: str, difference: str) -> None:
    unconflicted = {("x", letter): EventID(letter) for letter in agreed}
    assert GRAPH.auth_difference([ids(letters) for letters in state_sets], unconflicted) == ids(difference)


def test_messages_are_no_matter() -> None:
    room = Room.with_members(ROOM_VERSIONS["12"])
    room.member(BOB, "join")
    message = room.add("m.room.message", {})
    events = {event.event_id: event for event in (*room.state.values(), message)}
    levels = room.state["m.room.power_levels", ""]
    state = {slot: event.event_id for slot, event in room.state.items() if event is not levels}
    state_sets = [{levels.event_id}, set[EventID]()]
    assert LoadedAuthGraph(events).auth_difference(state_sets, {}) == LoadedAuthGraph(events).auth_chain(
        [levels.event_id]
    )
    assert LoadedAuthGraph(events).auth_difference(state_sets, state) == set(), (
        "Bob's join rests on the levels"
    )


@pytest.mark.parametrize(
    ("conflicted", "subgraph"),
    [("", ""), ("e", "e"), ("ea", "abcde"), ("eb", "ebd"), ("bc", "bc"), ("eg", "eg"), ("efa", "abcdef")],
)
def test_conflicted_subgraph(conflicted: str, subgraph: str) -> None:
    assert GRAPH.conflicted_subgraph(ids(conflicted)) == ids(subgraph)


def test_rejected_events_are_known() -> None:
    assert GRAPH.is_rejected(EventID("g"))
    assert not GRAPH.is_rejected(EventID("f"))
    assert GRAPH.event(EventID("f")).state_key == "f"


@versions(1, 11)
def test_create_events_are_cited(version: RoomVersion) -> None:
    room = Room.with_members(version)
    event = room.event("m.room.message", {})
    assert auth_event_ids(event) == event.auth_events
    assert room.create.event_id in event.auth_events


@versions(12)
def test_room_ids_cite_them_since_12(version: RoomVersion) -> None:
    room = Room.with_members(version)
    event = room.event("m.room.message", {})
    assert auth_event_ids(event) == (*event.auth_events, room.create.event_id)


@every_version
def test_create_events_cite_nothing(version: RoomVersion) -> None:
    assert auth_event_ids(Room(version).create) == ()
