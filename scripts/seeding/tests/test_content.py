from typing import Any

import pytest

from scripts.seeding.content import event_of
from scripts.seeding.plan import Act, Line, Person

ADA = Person("ada", "Ada the baker")
SENT = ["$one", "$two"]


@pytest.mark.parametrize(
    ("line", "type_", "relation"),
    [
        (Line(0, ADA, Act.SAY, "hi"), "m.room.message", None),
        (Line(0, ADA, Act.REPLY, "hi", 0), "m.room.message", {"m.in_reply_to": {"event_id": "$one"}}),
        (
            Line(0, ADA, Act.REACT, "👍", 1),
            "m.reaction",
            {"rel_type": "m.annotation", "event_id": "$two", "key": "👍"},
        ),
        (
            Line(0, ADA, Act.THREAD, "hi", 0, 1),
            "m.room.message",
            {
                "rel_type": "m.thread",
                "event_id": "$one",
                "is_falling_back": True,
                "m.in_reply_to": {"event_id": "$two"},
            },
        ),
        (Line(0, ADA, Act.EDIT, "hi", 1), "m.room.message", {"rel_type": "m.replace", "event_id": "$two"}),
    ],
)
def test_lines_become_events_that_name_what_they_are_about(line: Line, type_: str, relation: Any) -> None:
    sent_type, content = event_of(line, SENT)
    assert (sent_type, content.get("m.relates_to")) == (type_, relation)


def test_an_edit_has_the_new_text_and_a_fallback() -> None:
    _, content = event_of(Line(0, ADA, Act.EDIT, "better", 0), SENT)
    assert content["m.new_content"]["body"] == "better"
    assert content["body"] == "* better"
