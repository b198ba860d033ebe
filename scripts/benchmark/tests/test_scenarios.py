import json

import pytest

from scripts.benchmark.connection import Answer
from scripts.benchmark.scenarios import PAGE, PageWalk, ends_with_messages, has_room_news
from scripts.benchmark.stage import Room

MESSAGE = {"type": "m.room.message", "content": {"msgtype": "m.text", "body": "x"}}
MEMBER = {"type": "m.room.member", "content": {"membership": "join"}}


def page(first: int, size: int = PAGE) -> Answer:
    chunk = [{"event_id": f"${number}"} for number in range(first, first + size)]
    return Answer(200, json.dumps({"chunk": chunk}).encode())


def walked(*pages: Answer) -> bool:
    """Whether a walk of two pages, taken again and again, may bring these."""
    walk = PageWalk(Room("!r", []), 2)
    return all([walk.is_next_page(each) for each in pages])


def test_a_walk_begins_again_after_its_last_page() -> None:
    assert walked(page(0), page(100), page(0), page(100, 96))


@pytest.mark.parametrize("second", [page(0), page(99), page(100, 90), page(100, 0)])
def test_a_page_that_repeats_or_lacks_events_is_wrong(second: Answer) -> None:
    with pytest.raises(ValueError, match="events"):
        walked(page(0), second)


def test_the_latest_events_must_be_messages() -> None:
    room = {"timeline": {"events": [MEMBER, MESSAGE, MESSAGE]}}
    assert ends_with_messages(room, 2)
    assert not ends_with_messages(room, 3)
    assert not ends_with_messages({"timeline": {"events": [MESSAGE]}}, 2)


@pytest.mark.parametrize(
    ("answer", "news"),
    [
        ({}, False),
        ({"rooms": {}}, False),
        ({"rooms": {"join": {}}}, False),
        ({"rooms": {"join": {"!r": {}}}}, True),
    ],
)
def test_presence_is_no_room_news(answer: dict[str, object], news: bool) -> None:
    assert has_room_news(Answer(200, json.dumps(answer | {"presence": {"events": [{}]}}).encode())) is news
