"""Where Synapse and the specification are known to differ about which events are accepted, and we follow the latter.

Where the specification is silent we do as the network does, so that servers agree. Each entry is narrow: it is to
hide nothing else. The tests fail when an entry is no longer needed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.identifiers import EVENT_ID, USER_ID, server_of
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.membership_auth import AUTHORISED_VIA
from homeserver.protocol.power_levels import CREATE, POWER_LEVELS, read_level
from homeserver.protocol.room_versions import RoomVersion
from synapse_compat_tests.differential.trials import Judged

_Applies: TypeAlias = Callable[[Judged], bool]
# What Synapse raises on purpose; anything else is a stumble, after which it does not accept the event either.
_REFUSALS = ("AuthError:", "SynapseError:", "UnstableSpecAuthError:")
_NAMED = ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")
_OBJECTS = ("users", "events", "notifications")


@dataclass(frozen=True, slots=True)
class Deviation:
    synapse: str
    """What it does."""
    specification: str
    """The sentence that says otherwise."""
    applies: _Applies


def deviation_of(judged: Judged) -> Deviation | None:
    """The first entry that explains why we and Synapse do not agree."""
    return next((deviation for deviation in DEVIATIONS if deviation.applies(judged)), None)


def _closed_to_targets(judged: Judged) -> bool:
    if judged.ours is not None or "unfederatable" not in (judged.synapse or ""):
        return False
    create = judged.case.state[CREATE]
    is_closed = create.content["m.federate"] is False
    return not is_closed or _server(judged.case.pdu["sender"]) == _server(create.sender)


def _pythonic_levels(judged: Judged) -> bool:
    return _only_we_refuse(judged, "not an integer") and any(map(_is_pythonic, _unreadable_levels(judged)))


def _is_pythonic(value: JsonValue) -> bool:
    """Whether Python's `int` takes it."""
    try:
        return isinstance(int(value), int)
    except (ValueError, TypeError):
        return False


def _null_levels(judged: Judged) -> bool:
    is_null = any(value is None for value in _unreadable_levels(judged))
    return _only_we_refuse(judged, "not an integer") and is_null


def _levels_not_asked_for(judged: Judged) -> bool:
    return judged.ours is None and _stumbled(judged) and any(True for _ in _unreadable_levels(judged))


def _odd_keys_of_third_party(judged: Judged) -> bool:
    content = judged.case.pdu["content"]
    return judged.ours is None and _stumbled(judged) and "third_party_invite" in content


def _levels_in_nothing(judged: Judged) -> bool:
    levels = [content.get(name) for content in _level_contents(judged) for name in _OBJECTS]
    return _only_we_refuse(judged, "not an object") and any(value in ("", []) for value in levels)


def _lax_user_ids(judged: Judged) -> bool:
    users = judged.case.pdu["content"].get("users")
    user_ids = [judged.case.pdu["sender"], *(users if isinstance(users, dict) else ())]
    is_lax = any(USER_ID.fullmatch(user_id) is None for user_id in user_ids)
    return _only_we_refuse(judged, "user ID") and is_lax


def _unsigned_authorisation(judged: Judged) -> bool:
    content = judged.case.pdu["content"]
    is_other_membership = AUTHORISED_VIA in content and content.get("membership") != "join"
    return _only_we_refuse(judged, "signature is missing", "is not signed by") and is_other_membership


def _levels_elsewhere(judged: Judged) -> bool:
    pdu = judged.case.pdu
    return pdu["type"] == "m.room.power_levels" and pdu.get("state_key") != ""


def _odd_target_of_redaction(judged: Judged) -> bool:
    redacts = judged.case.pdu.get("redacts")
    if _only_we_refuse(judged, "redacts is not a string"):
        return not isinstance(redacts, str)
    is_event_id = isinstance(redacts, str) and EVENT_ID.fullmatch(redacts) is not None
    return _only_we_refuse(judged, "below the redact level") and not is_event_id


def _only_we_refuse(judged: Judged, *reasons: str) -> bool:
    return judged.synapse is None and any(reason in (judged.ours or "") for reason in reasons)


def _stumbled(judged: Judged) -> bool:
    return judged.synapse is not None and not judged.synapse.startswith(_REFUSALS)


def _unreadable_levels(judged: Judged) -> Iterable[JsonValue]:
    """Values that are no levels, where levels should be."""
    version = judged.case.version
    for content in _level_contents(judged):
        yield from _unreadable({name: content[name] for name in _NAMED if name in content}, version)
        for name in _OBJECTS:
            levels = content.get(name, {})
            yield from _unreadable(levels, version) if isinstance(levels, dict) else [levels]


def _unreadable(levels: JsonObject, version: RoomVersion) -> Iterable[JsonValue]:
    return (value for value in levels.values() if read_level(value, version) is None)


def _level_contents(judged: Judged) -> Iterable[JsonObject]:
    """Of the power levels before the event, and of the event if it sets them."""
    before = judged.case.state.get(POWER_LEVELS)
    if before is not None:
        yield before.content
    if judged.case.pdu["type"] == "m.room.power_levels":
        yield judged.case.pdu["content"]


def _server(identifier: str) -> str:
    try:
        return server_of(identifier)
    except InvalidParam:
        return ""


DEVIATIONS = (
    Deviation(
        "In a closed room, the target of a membership must be of the creator's server, too; and a room is closed if"
        " `m.federate` is anything but true.",
        "If the `content` of the `m.room.create` event in the room state has the property `m.federate` set to `false`,"
        " and the `sender` domain of the event does not match the `sender` domain of the create event, reject.",
        _closed_to_targets,
    ),
    Deviation(
        "Compares power levels with another state key, or none, to those with the same.",
        "If there is no previous `m.room.power_levels` event in the room, allow.",
        _levels_elsewhere,
    ),
    Deviation(
        "Takes for a level whatever Python's `int` takes: booleans, strings such as `5_0` or those with other digits.",
        "When the value is representative of an integer, they must be the following format: a single base 10 integer,"
        " no float values or decimal points, optionally with any number of leading zeroes.",
        _pythonic_levels,
    ),
    Deviation(
        "Takes a level of null for none, while it lets nobody set one.",
        "The power level required to ban a user. Must be an integer.",
        _null_levels,
    ),
    Deviation(
        "Takes an empty list or string for no levels.",
        "`events`: object. The level required to send specific event types. This is a mapping from event type to power"
        " level required.",
        _levels_in_nothing,
    ),
    Deviation(
        "Stumbles on unreadable levels that the rule at hand does not ask for.",
        "If the `join_rule` is `public`, allow.",
        _levels_not_asked_for,
    ),
    Deviation(
        "Takes for a user ID what has a sigil and a colon, or as the sender of a create event only a colon.",
        "If the `users` property in `content` is not an object with keys that are valid user IDs (...), reject.",
        _lax_user_ids,
    ),
    Deviation(
        "Stumbles on a malformed key or signature of a third-party invitation before it has seen a valid one.",
        "If any signature in `signed` matches any public key in the `m.room.third_party_invite` event, allow.",
        _odd_keys_of_third_party,
    ),
    Deviation(
        "Asks only joins for the signature of the server that is said to authorise them.",
        "If `content` has a `join_authorised_via_users_server` key: If the event is not validly signed by the"
        " homeserver of the user ID denoted by the key, reject.",
        _unsigned_authorisation,
    ),
    Deviation(
        "Accepts redactions of what is not a string; and in room versions 1 and 2 by anybody.",
        "`redacts`: string. For redaction events, the ID of the event being redacted. (...) If the domain of the"
        " `event_id` of the event being redacted is the same as the domain of the `event_id` of the `m.room.redaction`,"
        " allow. Otherwise, reject.",
        _odd_target_of_redaction,
    ),
)
