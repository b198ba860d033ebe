"""Events that servers do send, as the specification wants them and with mistakes anywhere in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from homeserver.protocol.event import Event, Slot
from homeserver.protocol.event_signatures import sign_event
from homeserver.protocol.identifiers import EventID, ServerName, UserID
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.signing import SigningKey, sign_json
from homeserver.protocol.tests.rooms import ALICE, BOB, CAROL, CREATOR, Room, signer_of
from homeserver.protocol.unpadded_base64 import encode_base64

DAVE = UserID("@dave:d")
_IDENTITY_KEY = SigningKey("0", b"i" * 32)


@dataclass(frozen=True, slots=True)
class Corpus:
    """A room in which everything that the rules look at is there, and events that it could get next."""

    state: Mapping[Slot, Event]
    events: Sequence[Event]
    known: Mapping[EventID, Event]
    """All of the room, so the auth chains of `events` too."""


@cache
def corpus(version: RoomVersion) -> Corpus:
    additional = {"additional_creators": [CAROL]} if version.privileged_creators else {}
    room = Room.with_members(version, ALICE, BOB, **additional)
    room.set_levels(
        {ALICE: 60, BOB: 10},
        **{name: 50 for name in ("ban", "kick", "redact", "state_default")},
        **{"users_default": 0, "events_default": 0, "invite": 5},
        events={"m.room.name": 10, "m.room.power_levels": 60},
        notifications={"room": 20},
    )
    allow = [{"type": "m.room_membership", "room_id": "!x:a"}]
    room.add("m.room.join_rules", {"join_rule": _join_rule(version), "allow": allow}, state_key="")
    invitation = {"public_key": _public_key(), "public_keys": [{"public_key": _public_key()}]}
    room.add("m.room.third_party_invite", invitation, sender=ALICE, state_key="token")
    room.member(CAROL, "ban", sender=CREATOR)
    return Corpus(dict(room.state), [*room.state.values(), *_next_events(room)], room.known)


def _join_rule(version: RoomVersion) -> str:
    """What lets people in by most rules."""
    if version.knock_restricted:
        return "knock_restricted"
    return "restricted" if version.restricted else "public"


def _next_events(room: Room) -> list[Event]:
    levels = room.state["m.room.power_levels", ""].content
    signed = sign_json({"mxid": DAVE, "token": "token"}, ServerName("id"), _IDENTITY_KEY)
    invited = {"membership": "invite", "third_party_invite": {"display_name": "d", "signed": signed}}
    via = {"membership": "join", AUTHORISED_VIA: ALICE}
    return [
        room.event("m.room.message", {"body": "hi", "n": [1, {"a": None}]}, sender=BOB),
        room.event("m.room.topic", {"topic": "x"}, sender=ALICE, state_key=""),
        room.event("m.room.aliases", {"aliases": ["#x:b"]}, sender=BOB, state_key="b"),
        room.event("m.room.redaction", {"reason": "x"}, sender=BOB, redacts=room.create.event_id),
        room.event("m.room.member", {"membership": "invite"}, sender=ALICE, state_key=DAVE),
        room.event("m.room.member", {"membership": "knock"}, sender=DAVE, state_key=DAVE),
        room.event("m.room.member", {"membership": "leave"}, sender=BOB, state_key=BOB),
        room.event("m.room.member", {"membership": "leave"}, sender=CREATOR, state_key=CAROL),
        room.event("m.room.member", {"membership": "ban"}, sender=ALICE, state_key=BOB),
        room.event("m.room.member", invited, sender=ALICE, state_key=DAVE),
        sign_event(room.event("m.room.member", via, sender=DAVE, state_key=DAVE), signer_of("a")),
        room.event("m.room.power_levels", {**levels, "ban": 55}, sender=ALICE, state_key=""),
    ]


def _public_key() -> str:
    return encode_base64(_IDENTITY_KEY.public_key)


def _nested(depth: int) -> JsonValue:
    value: JsonValue = []
    for _ in range(depth):
        value = [value]
    return value


_NUMBERS = (0, -1, 1, 50, 100, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**400)
_FLOATS = (0.0, -0.0, 49.9, 1e20, -1e308, 5e-324, float("inf"), float("nan"))
_LEVELS = ("50", " +50\t", "-0", "5_0", "50.0", "0x32", "\uff15", "9" * 1_000, "9" * 5_000)
_IDENTIFIERS = (
    *("@alice:a", "@:a", "@nobody", "alice:a", "@alice:not a server", "@é:b:8448", "@bob:[::1]"),
    *("!room:a", "!" + "A" * 43, "$x:a", "$", "$" + "A" * 43, "a", "b", "#x:a", "token"),
)
_TEXTS = ("", "\x00", "\ud800", "é" * 200, "x" * 255, "x" * 256, "x" * 70_000, "\U0001f408")
_WORDS = (
    *("join", "invite", "leave", "ban", "knock", "public", "private", "restricted", "knock_restricted"),
    *("m.room.create", "m.room.member", "m.room.power_levels", "m.room.aliases", "m.room.redaction"),
    *("1", "2", "11", "12", "13"),
)
_EMPTY: tuple[JsonValue, ...] = (None, True, False, [], {}, [[]], [None], {"": None}, [["$x", {}]], ["$x"])
_KEYS = (
    *("membership", "join_rule", AUTHORISED_VIA, "third_party_invite", "signed", "users", "users_default"),
    *("events", "notifications", "invite", "room_version", "creator", "additional_creators", "m.federate"),
    *("redacts", "public_keys", "event_id", "state_key", "room_id", "unsigned", "origin", "prev_state"),
    *("membership", "sha256", "a", "b", "", "é", "\ud800", "@alice:a", "@nobody"),
)

_OF_KIND: Mapping[type, Sequence[Sequence[JsonValue]]] = {
    str: (_IDENTIFIERS, _TEXTS, _LEVELS, _WORDS, _WORDS),
    # Old room versions take some texts for power levels.
    int: (_NUMBERS, _FLOATS, _LEVELS),
    list: (_EMPTY,),
}


def odd_value(random: Random) -> JsonValue:
    if random.random() < 0.1:
        return _nested(random.choice([1, 100, 3_000]))
    return _odd_of_kind(random.choice(list(_OF_KIND)), random)


def _odd_of_kind(kind: type, random: Random) -> JsonValue:
    return random.choice(random.choice(_OF_KIND[kind]))


def with_mistakes(value: JsonObject, random: Random, least: int = 0) -> JsonObject:
    """A copy of the object in which up to three things, mostly one, are another, too many or missing."""
    for _ in range(random.choice([least, 1, 1, 1, 2, 3])):
        value = _object_with_mistake(value, random)
    return value


def _object_with_mistake(value: JsonObject, random: Random) -> JsonObject:
    kind = random.random()
    if not value or kind < 0.2:
        return {**value, random.choice(_KEYS): odd_value(random)}
    key = random.choice(list(value))
    if kind < 0.3:
        return {other: item for other, item in value.items() if other != key}
    return {**value, key: _mistaken(value[key], random)}


def _list_with_mistake(value: Sequence[JsonValue], random: Random) -> Sequence[JsonValue]:
    kind = random.random()
    if not value or kind < 0.2:
        return [*value, odd_value(random)]
    place = random.randrange(len(value))
    if kind < 0.3:
        return [*value, value[place]]
    replacements = [] if kind < 0.4 else [_mistaken(value[place], random)]
    return [*value[:place], *replacements, *value[place + 1 :]]


def _mistaken(value: JsonValue, random: Random) -> JsonValue:
    """Mostly with a mistake deeper in, or of the same type, which gets past the first checks."""
    if random.random() < 0.3:
        return odd_value(random)
    if isinstance(value, dict):
        return _object_with_mistake(value, random)
    if isinstance(value, list):
        return _list_with_mistake(value, random)
    return _odd_of_kind(type(value), random) if type(value) in _OF_KIND else odd_value(random)


def odd_form(pdu: JsonObject, random: Random, least: int = 0) -> JsonObject:
    """The PDU with at least so many mistakes, mostly in what the format leaves open."""
    if random.random() < 0.4:
        return with_mistakes(pdu, random, least)
    return {**pdu, "content": with_mistakes(pdu["content"], random, least)}


def odd_state(version: RoomVersion, random: Random) -> dict[Slot, JsonObject]:
    """Of the corpus, PDUs of the state of which some have odd content, and some are missing."""
    state = {slot: event.pdu() for slot, event in corpus(version).state.items()}
    for slot in random.sample(list(state), random.choice([0, 1, 1, 2, 3])):
        if random.random() < 0.1:
            del state[slot]
        else:
            content = with_mistakes(state[slot]["content"], random, least=1)
            state[slot] = {**state[slot], "content": content}
    return state
