"""The table of room versions: what differs between them is data here, and nowhere else.

https://spec.matrix.org/v1.19/rooms/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from homeserver.protocol.errors import UnsupportedRoomVersion


class EventIDForm(Enum):
    """Where the ID of an event comes from."""

    ASSIGNED = "given by the server that made the event, and part of it"
    BASE64 = "the reference hash in standard Base64"
    URL_SAFE = "the reference hash in URL-safe Base64"


class StateResolution(Enum):
    """https://spec.matrix.org/v1.19/server-server-api/#room-state-resolution"""

    V1 = "1"
    V2 = "2"
    V2_1 = "2.1"


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What an event keeps when it is redacted."""

    keys: frozenset[str]
    content: Mapping[str, frozenset[str]]
    """Keys of `content` by event type."""
    whole_content: frozenset[str] = frozenset()
    """Types of which all of `content` stays."""
    inner_content: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    """By event type, objects in `content` of which some keys stay."""


# Compared by identity: there is one object for each version.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoomVersion:
    """How rooms of one version behave. Every field is one rule that some other version has differently."""

    identifier: str
    stable: bool = True

    event_ids: EventIDForm
    edges_carry_hashes: bool = False
    """`prev_events` and `auth_events` are pairs of event ID and hashes, not bare event IDs."""
    room_id_is_create_hash: bool = False
    """The room's ID is that of its create event with another sigil; nothing cites the create event."""
    strict_canonical_json: bool = False
    """Floats, and integers that a double cannot hold, are refused."""
    max_depth: int = 2**63 - 1
    byte_limits: bool = False
    """Events with identifiers above 255 bytes are invalid; before, only those above 255 code points were."""
    enforces_key_validity: bool = False
    """A signature counts only if its key was valid at `origin_server_ts`."""

    state_resolution: StateResolution
    redaction: RedactionRules
    redacts_in_content: bool = False
    """`m.room.redaction` names its target in `content.redacts`, not in `redacts`."""
    redactions_authorised: bool = False
    """The right to redact is an authorisation rule, not a check when both events are known."""

    aliases_authorised_by_server: bool = False
    """`m.room.aliases` may be set by whoever is on the server that its state key names."""
    implicit_creator: bool = False
    """The creator is the create event's sender; before, its `content.creator`."""
    privileged_creators: bool = False
    """Creators, who may be several, stand above all power levels."""
    limits_notification_levels: bool = False
    integer_power_levels: bool = False
    """Power levels in strings (or, before strict canonical JSON, in floats) are refused."""
    knock: bool = False
    restricted: bool = False
    knock_restricted: bool = False


_KEYS_11 = frozenset(
    {
        "event_id",
        "type",
        "room_id",
        "sender",
        "state_key",
        "content",
        "hashes",
        "signatures",
        "depth",
        "prev_events",
        "auth_events",
        "origin_server_ts",
    }
)
_POWER_LEVEL_KEYS = frozenset(
    {"ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default"}
)

_REDACTION_6 = RedactionRules(
    keys=_KEYS_11 | {"prev_state", "origin", "membership"},
    content={
        "m.room.member": frozenset({"membership"}),
        "m.room.create": frozenset({"creator"}),
        "m.room.join_rules": frozenset({"join_rule"}),
        "m.room.power_levels": _POWER_LEVEL_KEYS,
        "m.room.history_visibility": frozenset({"history_visibility"}),
    },
)
_REDACTION_1 = replace(
    _REDACTION_6, content={**_REDACTION_6.content, "m.room.aliases": frozenset({"aliases"})}
)
_REDACTION_8 = replace(
    _REDACTION_6, content={**_REDACTION_6.content, "m.room.join_rules": frozenset({"join_rule", "allow"})}
)
_REDACTION_9 = replace(
    _REDACTION_8,
    content={
        **_REDACTION_8.content,
        "m.room.member": frozenset({"membership", "join_authorised_via_users_server"}),
    },
)
_REDACTION_11 = RedactionRules(
    keys=_KEYS_11,
    content={
        **_REDACTION_9.content,
        "m.room.power_levels": _POWER_LEVEL_KEYS | {"invite"},
        "m.room.redaction": frozenset({"redacts"}),
    },
    whole_content=frozenset({"m.room.create"}),
    inner_content={"m.room.member": {"third_party_invite": frozenset({"signed"})}},
)

_V1 = RoomVersion(
    identifier="1",
    event_ids=EventIDForm.ASSIGNED,
    edges_carry_hashes=True,
    state_resolution=StateResolution.V1,
    redaction=_REDACTION_1,
    redactions_authorised=True,
    aliases_authorised_by_server=True,
)
_V2 = replace(_V1, identifier="2", state_resolution=StateResolution.V2)
_V3 = replace(
    _V2,
    identifier="3",
    event_ids=EventIDForm.BASE64,
    edges_carry_hashes=False,
    redactions_authorised=False,
)
_V4 = replace(_V3, identifier="4", event_ids=EventIDForm.URL_SAFE)
_V5 = replace(_V4, identifier="5", enforces_key_validity=True)
_V6 = replace(
    _V5,
    identifier="6",
    strict_canonical_json=True,
    max_depth=2**53 - 1,
    aliases_authorised_by_server=False,
    redaction=_REDACTION_6,
    limits_notification_levels=True,
)
_V7 = replace(_V6, identifier="7", knock=True)
_V8 = replace(_V7, identifier="8", restricted=True, redaction=_REDACTION_8)
_V9 = replace(_V8, identifier="9", redaction=_REDACTION_9)
_V10 = replace(_V9, identifier="10", integer_power_levels=True, knock_restricted=True)
_V11 = replace(
    _V10,
    identifier="11",
    byte_limits=True,
    implicit_creator=True,
    redaction=_REDACTION_11,
    redacts_in_content=True,
)
_V12 = replace(
    _V11,
    identifier="12",
    state_resolution=StateResolution.V2_1,
    room_id_is_create_hash=True,
    privileged_creators=True,
)

ROOM_VERSIONS: dict[str, RoomVersion] = {
    version.identifier: version for version in (_V1, _V2, _V3, _V4, _V5, _V6, _V7, _V8, _V9, _V10, _V11, _V12)
}

DEFAULT_ROOM_VERSION = "12"


def room_version(identifier: str) -> RoomVersion:
    """Raises UnsupportedRoomVersion."""
    try:
        return ROOM_VERSIONS[identifier]
    except KeyError:
        raise UnsupportedRoomVersion(f"Room version {identifier!r} is not supported") from None
