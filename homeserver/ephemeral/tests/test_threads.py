import pytest
from twisted.internet.defer import Deferred

from homeserver.ephemeral.tests.rooms import ROOM_ID, OneRoom
from homeserver.ephemeral.threads import may_read_in_thread
from homeserver.protocol.identifiers import EventID


@pytest.fixture
def room() -> OneRoom:
    r"""
    $root <-[m.thread]- $reply <-[m.annotation]- $on_reply
       \--[m.reference]- $aside <-[m.annotation]- $on_aside
    """
    room = OneRoom()
    room.add("$plain")
    room.add("$root")
    room.add("$reply", ("m.thread", "$root"))
    room.add("$on_reply", ("m.annotation", "$reply"))
    room.add("$aside", ("m.reference", "$root"))
    room.add("$on_aside", ("m.annotation", "$aside"))
    return room


def allowed(room: OneRoom, event_id: str, thread: str) -> bool:
    answers: list[bool] = []
    work = may_read_in_thread(room, ROOM_ID, EventID(event_id), thread)
    Deferred.fromCoroutine(work).addCallback(answers.append)
    return answers[0]


@pytest.mark.parametrize("event_id", ["$root", "$reply", "$on_reply", "$aside", "$on_aside"])
def test_what_is_shown_with_a_thread_can_be_read_in_it(room: OneRoom, event_id: str) -> None:
    assert allowed(room, event_id, "$root")
    assert not allowed(room, event_id, "$plain")


@pytest.mark.parametrize(
    ("event_id", "in_main"),
    [
        ("$plain", True),
        ("$root", True),
        ("$aside", True),
        ("$on_aside", True),
        ("$reply", False),
        ("$on_reply", False),
    ],
)
def test_the_main_timeline_is_what_is_in_no_thread(room: OneRoom, event_id: str, in_main: bool) -> None:
    assert allowed(room, event_id, "main") is in_main


def test_a_plain_event_is_in_no_thread(room: OneRoom) -> None:
    assert not allowed(room, "$plain", "$root")


def test_relations_are_followed_three_times_only() -> None:
    room = OneRoom()
    room.add("$0")
    for number in range(1, 6):
        room.add(f"${number}", ("m.reference", f"${number - 1}"))
    assert allowed(room, "$3", "$0")
    assert not allowed(room, "$4", "$0")


def test_a_circle_of_relations_ends() -> None:
    room = OneRoom()
    room.add("$a", ("m.reference", "$b"))
    room.add("$b", ("m.reference", "$a"))
    assert not allowed(room, "$a", "$root")
