"""Events that nobody should send, made from such as people do send."""

from collections.abc import Sequence
from random import Random

from homeserver.protocol.json import JsonObject, JsonValue

_NUMBERS: Sequence[JsonValue] = (
    0,
    -1,
    1,
    50,
    100,
    101,
    2**53 - 1,
    2**53,
    10**30,
    0.0,
    49.9,
    50.1,
    1e20,
    -0.5,
)
_TEXTS = (
    "",
    "0",
    "50",
    " 50 ",
    "+50",
    "-1",
    "1e2",
    "50.0",
    "5_0",
    "0x32",
    "\uff15\uff10",
    "ten",
    "\u00a050",
    "@",
    "é",
    # As long as an identifier may be; too long; too long only in bytes.
    "é" + "x" * 253,
    "x" * 256,
    "é" * 255,
)
_IDENTIFIERS = (
    "@bob:b.example",
    "@nobody:a.example",
    "@:a.example",
    "@no-domain",
    "@a:b:c:1",
    "@space in:a.example",
    "@alice:not a server",
    "bob:b.example",
    "!room:a.example",
    "$event:a.example",
    "$event",
)
_OTHERS: Sequence[JsonValue] = (None, True, False, [], {}, [50], ["@bob:b.example"], {"a": 1}, [[]], [None])
_WORDS: Sequence[JsonValue] = ("join", "invite", "leave", "ban", "knock", "public", "private", "restricted")
_KEYS = (
    "membership",
    "join_rule",
    "join_authorised_via_users_server",
    "third_party_invite",
    "users",
    "users_default",
    "events",
    "notifications",
    "invite",
    "room_version",
    "creator",
    "additional_creators",
    "m.federate",
    "redacts",
    "public_keys",
    "",
)
# The authorisation rules look at these; of the others, the format is the matter.
_FIELDS = ("type", "state_key", "sender", "redacts")


def odd_value(random: Random) -> JsonValue:
    return random.choice(random.choice([_NUMBERS, _TEXTS, _IDENTIFIERS, _OTHERS, _WORDS]))


def with_odd_content(pdu: JsonObject, random: Random) -> JsonObject:
    """The event with one or two mistakes within its content."""
    content: JsonObject = pdu["content"]
    for _ in range(random.choice([1, 1, 2])):
        content = _with_mistake(content, random)
    return {**pdu, "content": content}


def with_odd_field(pdu: JsonObject, random: Random) -> JsonObject:
    """The event with a mistake in what the authorisation rules look at besides the content."""
    key = random.choice([key for key in _FIELDS if key in pdu])
    if random.random() < 0.2:
        return {name: value for name, value in pdu.items() if name != key}
    return {**pdu, key: odd_value(random)}


def _with_mistake(given: JsonObject, random: Random) -> JsonObject:
    if not given or random.random() < 0.2:
        return {**given, random.choice(random.choice([_KEYS, _IDENTIFIERS])): odd_value(random)}
    key = random.choice(sorted(given))
    if random.random() < 0.15:
        return {name: value for name, value in given.items() if name != key}
    return {**given, key: _mistaken(given[key], random)}


def _mistaken(value: JsonValue, random: Random) -> JsonValue:
    """Something else instead, or a copy with a mistake within; mostly the latter, where the rules look."""
    if random.random() < 0.2 or not value or not isinstance(value, dict | list):
        return odd_value(random)
    if isinstance(value, dict):
        return _with_mistake(value, random)
    place = random.randrange(len(value))
    return [*value[:place], _mistaken(value[place], random), *value[place + 1 :]]
