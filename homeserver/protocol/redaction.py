"""Redaction: what remains of an event when its content is taken away.

https://spec.matrix.org/v1.19/client-server-api/#redactions and "Redactions" of each room version
"""

import msgspec

from homeserver.protocol.event import Event
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.room_versions import RedactionRules, RoomVersion


def redact(pdu: JsonObject, version: RoomVersion) -> JsonObject:
    """A new object with the keys that the room version protects. Works on what no server checked yet."""
    rules = version.redaction
    kept = {key: value for key, value in pdu.items() if key in rules.keys}
    kept["content"] = redacted_content(pdu.get("type"), pdu.get("content"), rules)
    return kept


def redact_event(event: Event) -> Event:
    """The redacted event; its ID and signatures stay valid."""
    rules = event.version.redaction
    content = redacted_content(event.type, event.content, rules)
    return msgspec.structs.replace(
        event,
        content=content,
        redacts=event.redacts if "redacts" in content else None,
        unsigned={},
        extra={key: value for key, value in event.extra.items() if key in rules.keys},
    )


def redacted_content(type_: JsonValue, content: JsonValue, rules: RedactionRules) -> JsonObject:
    if not isinstance(type_, str) or not isinstance(content, dict):
        return {}
    if type_ in rules.whole_content:
        return content
    kept = rules.content.get(type_)
    if kept is None:
        return {}
    remains = {key: value for key, value in content.items() if key in kept}
    for name, inner_keys in rules.inner_content.get(type_, {}).items():
        inner = content.get(name)
        if isinstance(inner, dict):
            remains[name] = {key: value for key, value in inner.items() if key in inner_keys}
    return remains
