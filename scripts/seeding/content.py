"""Lines of the plan as the content of events. Pure.

https://spec.matrix.org/v1.19/client-server-api/#forwarding-relationships-between-events
"""

from collections.abc import Sequence
from typing import Any

from .plan import Act, Line

Content = dict[str, Any]  # JSON


def event_of(line: Line, event_ids: Sequence[str]) -> tuple[str, Content]:
    """The type and content of a line; `event_ids` are those of the lines before it."""
    if line.target is None:
        return "m.room.message", _text(line.text)
    target = event_ids[line.target]
    match line.act:
        case Act.REACT:
            relation = {"rel_type": "m.annotation", "event_id": target, "key": line.text}
            return "m.reaction", {"m.relates_to": relation}
        case Act.EDIT:
            return "m.room.message", {
                **_text(f"* {line.text}"),
                "m.new_content": _text(line.text),
                "m.relates_to": {"rel_type": "m.replace", "event_id": target},
            }
        case Act.THREAD:
            latest = target if line.latest is None else event_ids[line.latest]
            thread = {"rel_type": "m.thread", "event_id": target, "is_falling_back": True}
            return "m.room.message", {**_text(line.text), "m.relates_to": thread | _answers(latest)}
        case _:
            return "m.room.message", {**_text(line.text), "m.relates_to": _answers(target)}


def _text(text: str) -> Content:
    return {"msgtype": "m.text", "body": text}


def _answers(event_id: str) -> Content:
    return {"m.in_reply_to": {"event_id": event_id}}
