"""Events with whatever JSON can say, to be hashed, redacted and signed; nobody asks whether they are allowed."""

from collections.abc import Sequence
from random import Random

from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.room_versions import EventIDForm, RoomVersion

# Keys whose order differs by code point and by UTF-16, and characters that are written in more than one way.
_CHARACTERS = (
    'ab"\\/\x00\x08\x1f \x7f\x80éŉ\u0301\u2028\u202e\ud7ff\ue000\ufeff\uffff\U0001f511\U00010000\U0010ffff'
)
_TYPES = (
    "m.room.aliases",
    "m.room.create",
    "m.room.history_visibility",
    "m.room.join_rules",
    "m.room.member",
    "m.room.power_levels",
    "m.room.redaction",
    "m.room.third_party_invite",
    "m.room.message",
)
_CONTENT_KEYS = (
    "aliases",
    "allow",
    "ban",
    "creator",
    "displayname",
    "events",
    "events_default",
    "history_visibility",
    "invite",
    "join_authorised_via_users_server",
    "join_rule",
    "kick",
    "membership",
    "notifications",
    "redact",
    "redacts",
    "room_version",
    "signed",
    "state_default",
    "third_party_invite",
    "users",
    "users_default",
)
_OTHER_FIELDS = ("redacts", "origin", "membership", "prev_state", "replaces_state", "age", "x")


def random_json(random: Random, depth: int, *, strict: bool) -> JsonValue:
    """`strict` leaves out floats, and integers that a double cannot hold."""
    kind = random.randrange(8 if depth else 5)
    if kind == 0:
        return random.choice([None, True, False])
    if kind in {1, 2}:
        return _integer(random, strict) if strict or kind == 1 else _float(random)
    if kind in {3, 4}:
        return _text(random)
    if kind == 5:
        return [random_json(random, depth - 1, strict=strict) for _ in range(random.randrange(4))]
    return _object(random, depth - 1, strict)


def random_pdu(version: RoomVersion, random: Random) -> JsonObject:
    """In the format of the version, with additional keys; its hashes and signatures are wrong."""
    strict = version.strict_canonical_json
    pdu: JsonObject = {
        "type": random.choice([*_TYPES, _text(random)]),
        "sender": f"@{_localpart(random)}:a.example",
        "content": _content(random, strict),
        "depth": random.randrange(2**53),
        "origin_server_ts": random.randrange(2**53),
        "hashes": {"sha256": _text(random)},
        "signatures": {"b.example": {"ed25519:1": _text(random)}},
        "prev_events": _edges(version, random),
        "auth_events": _edges(version, random),
        "unsigned": {"age": random.randrange(100)},
        "room_id": "!room:a.example",
    }
    if version.event_ids is EventIDForm.ASSIGNED:
        pdu["event_id"] = f"${_localpart(random)}:a.example"
    if random.random() < 0.7:
        pdu["state_key"] = _text(random)
    if version.room_id_is_create_hash:
        pdu["room_id"] = "!" + "A" * 43
        if pdu["type"] == "m.room.create":
            del pdu["room_id"]
            pdu["state_key"] = ""
    for key in random.sample(_OTHER_FIELDS, random.randrange(3)):
        pdu[key] = random_json(random, 2, strict=strict)
    return pdu


def _content(random: Random, strict: bool) -> JsonObject:
    keys = random.sample(_CONTENT_KEYS, random.randrange(5))
    return {key: random_json(random, 3, strict=strict) for key in keys} | _object(random, 3, strict)


def _object(random: Random, depth: int, strict: bool) -> JsonObject:
    keys = [_text(random) if random.random() < 0.8 else "signed" for _ in range(random.randrange(4))]
    return {key: random_json(random, depth, strict=strict) for key in keys}


def _text(random: Random) -> str:
    return "".join(random.choices(_CHARACTERS, k=random.randrange(5)))


def _localpart(random: Random) -> str:
    return "".join(random.choices("ab.é\U0001f511", k=5))


def _integer(random: Random, strict: bool) -> int:
    digits = random.choice([1, 8, 53] if strict else [1, 8, 53, 64, 100])
    return random.randrange(2**digits) * random.choice([1, -1])


def _float(random: Random) -> float:
    return random.choice([1, -1]) * random.choice(
        [0.0, 1.0, random.random(), random.uniform(0, 1e17), 10.0 ** random.randrange(-320, 308), 5e-324]
    )


def _edges(version: RoomVersion, random: Random) -> Sequence[JsonValue]:
    event_ids = [f"${_localpart(random)}:a.example" for _ in range(random.randrange(3))]
    return [[event_id, {"sha256": ""}] for event_id in event_ids] if version.edges_carry_hashes else event_ids
