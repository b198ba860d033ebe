import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeserver.protocol.errors import BadJson, TooLarge
from homeserver.protocol.event import Event
from homeserver.protocol.events import Proposal, build_event, from_stored, parse_pdu, stored_forms
from homeserver.protocol.hashes import content_hash_matches, reference_hash
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.json import JsonObject, canonical_json, decode_json, relaxed_canonical_json
from homeserver.protocol.packed_half import unpack
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from homeserver.protocol.tests.rooms import ALICE, CREATOR, Room, every_version, signer_of, versions
from homeserver.protocol.tests.test_json import json_values

MAX_BYTES = 65_536


def some_events(version: RoomVersion) -> list[Event]:
    """One of each shape: create, state, message, redaction."""
    room = Room.with_members(version, ALICE)
    message = room.add("m.room.message", {"body": "hi"})
    redaction = room.add("m.room.redaction", {"reason": "x"}, redacts=message.event_id)
    return [*room.state.values(), message, redaction]


def size_of(event: Event) -> int:
    return len(canonical_json(event.pdu()))


@every_version
def test_what_is_built_is_what_others_read(version: RoomVersion) -> None:
    for event in some_events(version):
        received = parse_pdu(decode_json(canonical_json(event.pdu())), version)
        assert received == event
        assert content_hash_matches(received)


@every_version
def test_what_is_stored_is_what_is_read_again(version: RoomVersion) -> None:
    for event in some_events(version):
        assert from_stored(*stored_forms(event), event.room_id, version) == event


@versions(1, 2)
def test_old_events_carry_their_id_and_the_hashes_of_their_edges(version: RoomVersion) -> None:
    room = Room.with_members(version)
    create_hash = reference_hash(room.create.pdu(), version)
    event = room.add("m.room.message", {}, edge_hashes={room.create.event_id: create_hash})
    pdu = event.pdu()
    assert pdu["event_id"] == event.event_id
    assert pdu["auth_events"][-1] == [room.create.event_id, {"sha256": create_hash}]
    assert pdu["prev_events"] == [[event.prev_events[0], {}]]
    assert event.auth_events[-1] == room.create.event_id
    with pytest.raises(ValueError, match="ID"):
        room.event("m.room.message", {}, event_id=None)


@versions(3)
def test_newer_events_do_not_carry_their_id(version: RoomVersion) -> None:
    room = Room.with_members(version)
    event = room.add("m.room.message", {})
    pdu = event.pdu()
    assert "event_id" not in pdu
    assert pdu["prev_events"] == list(event.prev_events)
    with pytest.raises(ValueError, match="ID"):
        room.event("m.room.message", {}, event_id=EventID("$1:a"))
    with pytest.raises(BadJson):
        parse_pdu({**pdu, "event_id": event.event_id}, version)


@every_version
def test_room_ids_come_from_the_create_event_since_12(version: RoomVersion) -> None:
    create = Room(version).create
    if version.identifier == "12":
        assert "room_id" not in create.pdu()
        assert create.room_id == "!" + create.event_id[1:]
        with pytest.raises(BadJson):
            parse_pdu({**create.pdu(), "room_id": create.room_id}, version)
    else:
        assert create.pdu()["room_id"] == create.room_id == "!room:a"


@every_version
def test_every_event_but_that_one_has_a_room_id(version: RoomVersion) -> None:
    pdu = Room.with_members(version).add("m.room.message", {}).pdu()
    del pdu["room_id"]
    with pytest.raises(BadJson):
        parse_pdu(pdu, version)


@every_version
def test_redactions_name_their_target_where_their_version_wants_it(version: RoomVersion) -> None:
    *_, redaction = some_events(version)
    assert redaction.redacts is not None
    pdu = redaction.pdu()
    assert ("redacts" in pdu["content"]) is (int(version.identifier) >= 11)
    assert ("redacts" in pdu) is (int(version.identifier) < 11)
    client = decode_json(stored_forms(redaction)[0])
    assert client["redacts"] == client["content"]["redacts"] == redaction.redacts


@versions(11)
def test_redacts_at_the_old_place_is_kept_but_means_nothing(version: RoomVersion) -> None:
    pdu = {**Room.with_members(version).add("m.room.redaction", {}).pdu(), "redacts": "$x"}
    event = parse_pdu(pdu, version)
    assert event.redacts is None
    assert from_stored(*stored_forms(event), event.room_id, version).pdu() == pdu


@every_version
@pytest.mark.parametrize("redacts", [5, None, ["$x"]])
def test_redacts_must_be_a_string_where_it_means_something(redacts: Any, version: RoomVersion) -> None:
    room = Room.with_members(version)
    message = {**room.event("m.room.message", {}).pdu(), "redacts": redacts}
    assert parse_pdu(message, version).pdu() == message
    redaction = {**room.event("m.room.redaction", {}).pdu(), "redacts": redacts}
    if int(version.identifier) >= 11:
        assert parse_pdu(redaction, version).pdu() == redaction
    else:
        with pytest.raises(BadJson):
            parse_pdu(redaction, version)


@every_version
@pytest.mark.parametrize("redacts", ["", "nothing", "$\0"])
def test_what_is_no_event_id_redacts_nothing(redacts: str, version: RoomVersion) -> None:
    content = {"redacts": redacts}
    pdu = {**Room.with_members(version).event("m.room.redaction", content).pdu(), **content}
    event = parse_pdu(pdu, version)
    assert event.redacts is None
    assert event.pdu() == pdu
    assert from_stored(*stored_forms(event), event.room_id, version).pdu() == pdu


@every_version
def test_clients_see_neither_room_nor_graph(version: RoomVersion) -> None:
    message = Room.with_members(version).add("m.room.message", {"body": "hi"})
    client, federation = stored_forms(message)
    assert decode_json(client) == {
        "content": {"body": "hi"},
        "event_id": message.event_id,
        "origin_server_ts": message.origin_server_ts,
        "sender": CREATOR,
        "type": "m.room.message",
    }
    assert unpack(federation).keys() == {"auth_events", "depth", "hashes", "prev_events", "signatures"}


def test_unsigned_is_not_stored() -> None:
    version = ROOM_VERSIONS["12"]
    pdu = Room.with_members(version).add("m.room.message", {}).pdu()
    event = parse_pdu({**pdu, "unsigned": {"age": 1, "x": 0.5}}, version)
    assert event.unsigned == {"age": 1, "x": 0.5}
    assert event.pdu()["unsigned"] == {"age": 1, "x": 0.5}
    assert from_stored(*stored_forms(event), event.room_id, version).pdu() == pdu


# What is no event, by changes to a good PDU. None takes the key away.
BAD_CHANGES: list[JsonObject] = [
    *(
        {key: None}
        for key in ("type", "sender", "content", "depth", "origin_server_ts", "hashes", "signatures")
    ),
    *({key: None} for key in ("prev_events", "auth_events", "room_id")),
    {"type": 1},
    {"content": []},
    {"content": "text"},
    {"sender": "nobody"},
    {"sender": "@a:b c"},
    {"sender": 5},
    {"room_id": "room"},
    {"room_id": 5},
    {"state_key": 5},
    {"depth": -1},
    {"depth": "1"},
    {"depth": 1.0},
    {"depth": True},
    {"depth": 2**63},
    {"origin_server_ts": "1"},
    {"origin_server_ts": 2**63},
    {"hashes": {}},
    {"hashes": {"sha256": 1}},
    {"signatures": {"a": []}},
    {"signatures": {"a": {"ed25519:1": 1}}},
    {"unsigned": []},
    {"prev_events": "$a"},
    {"prev_events": [1]},
    {"prev_events": ["a"]},
    {"prev_events": [["$a"]]},
    {"auth_events": {"$a": {}}},
]


@every_version
@pytest.mark.parametrize("change", BAD_CHANGES, ids=str)
def test_what_has_not_the_format_is_refused(change: JsonObject, version: RoomVersion) -> None:
    good = Room.with_members(version).add("m.room.message", {}).pdu()
    changed = {key: value for key, value in {**good, **change}.items() if value is not None}
    with pytest.raises(BadJson):
        parse_pdu(changed, version)


@every_version
@pytest.mark.parametrize("value", [None, 5, "text", []])
def test_what_is_no_object_is_refused(value: Any, version: RoomVersion) -> None:
    with pytest.raises(BadJson):
        parse_pdu(value, version)


@every_version
@pytest.mark.parametrize("key", ["state_key", "unsigned", "room_id"])
def test_null_is_not_absence(key: str, version: RoomVersion) -> None:
    pdu = (Room(version).create if key == "room_id" else Room(version).add("m.room.message", {})).pdu()
    with pytest.raises(BadJson):
        parse_pdu({**pdu, key: None}, version)


@every_version
def test_edges_are_limited(version: RoomVersion) -> None:
    room = Room.with_members(version)
    most = tuple(EventID(f"${number}:a") for number in range(20))
    parse_pdu(room.event("m.room.message", {}, prev_events=most, auth_events=most[:10]).pdu(), version)
    too_many: list[JsonObject] = [{"prev_events": (*most, EventID("$x:a"))}, {"auth_events": most[:11]}]
    for edges in too_many:
        with pytest.raises(BadJson):
            parse_pdu(room.event("m.room.message", {}, **edges).pdu(), version)


@every_version
def test_depth_has_the_limit_of_its_version(version: RoomVersion) -> None:
    limit = 2**53 - 1 if int(version.identifier) >= 6 else 2**63 - 1
    pdu = Room.with_members(version).add("m.room.message", {}).pdu()
    assert parse_pdu({**pdu, "depth": limit}, version).depth == limit
    with pytest.raises(BadJson):
        parse_pdu({**pdu, "depth": limit + 1}, version)


NOT_CANONICAL = [{"a": 0.5}, {"a": [2**53]}, {"a": {"b": -(2**53)}}, {"a": 1e10}]


@versions(6)
@pytest.mark.parametrize("content", NOT_CANONICAL)
def test_numbers_that_are_not_canonical_are_refused(content: JsonObject, version: RoomVersion) -> None:
    room = Room.with_members(version)
    with pytest.raises(BadJson):
        room.event("m.room.message", content)
    with pytest.raises(BadJson):
        parse_pdu({**room.event("m.room.message", {}).pdu(), "content": content}, version)
    with pytest.raises(BadJson):
        parse_pdu({**room.event("m.room.message", {}).pdu(), "more": content}, version)


@versions(1, 5)
@pytest.mark.parametrize("content", [*NOT_CANONICAL, {"a": 1e-7, "b": 1e22, "c": 2**70}])
def test_old_rooms_take_any_number(content: JsonObject, version: RoomVersion) -> None:
    event = Room.with_members(version).event("m.room.message", content)
    received = parse_pdu(decode_json(relaxed_canonical_json(event.pdu())), version)
    assert received == event
    assert content_hash_matches(received)
    stored = from_stored(*stored_forms(event), event.room_id, version)
    assert stored == event
    assert content_hash_matches(stored)


@versions(1, 5)
def test_infinity_is_no_number(version: RoomVersion) -> None:
    with pytest.raises(BadJson):
        Room.with_members(version).event("m.room.message", {"a": math.inf})


@every_version
def test_events_have_at_most_65536_bytes(version: RoomVersion) -> None:
    room = Room.with_members(version)
    overhead = size_of(room.event("m.room.message", {"body": ""}, depth=9, origin_server_ts=9))
    fields: JsonObject = {"depth": 9, "origin_server_ts": 9}
    if version.edges_carry_hashes:
        fields["event_id"] = EventID("$99:a")
        overhead = size_of(room.event("m.room.message", {"body": ""}, **fields))
    largest = room.event("m.room.message", {"body": "é" + "x" * (MAX_BYTES - overhead - 2)}, **fields)
    assert size_of(largest) == MAX_BYTES
    assert parse_pdu(largest.pdu(), version) == largest
    with pytest.raises(TooLarge):
        room.event("m.room.message", {"body": "é" + "x" * (MAX_BYTES - overhead - 1)}, **fields)
    with pytest.raises(TooLarge):
        parse_pdu({**largest.pdu(), "x": 1}, version)
    # What servers add for each other is not part of the event.
    parse_pdu({**largest.pdu(), "unsigned": {"age": 1}}, version)


@every_version
@pytest.mark.parametrize("key", ["type", "state_key"])
def test_own_events_have_fields_of_at_most_255_bytes(key: str, version: RoomVersion) -> None:
    room = Room.with_members(version)
    for good in ("x" * 255, "é" * 127):
        fields: JsonObject = {"type": "x", "content": {}, key: good}
        room.event(**fields)
    for bad in ("x" * 256, "é" * 128):
        fields = {"type": "x", "content": {}, key: bad}
        with pytest.raises(TooLarge):
            room.event(**fields)


@pytest.mark.parametrize(
    ("key", "version"),
    [
        (key, version)
        for key in ("type", "state_key", "sender", "room_id")
        for version in ROOM_VERSIONS.values()
        # There, room IDs are hashes, of one length.
        if not (key == "room_id" and version.room_id_is_create_hash)
    ],
)
def test_received_events_have_fields_of_at_most_255_code_points(key: str, version: RoomVersion) -> None:
    form = {"sender": "@{}:a", "room_id": "!{}:a"}.get(key, "{}")
    room_for = 255 - len(form) + 2
    good = Room.with_members(version).add("m.room.message", {}, state_key="").pdu()
    parse_pdu({**good, key: form.format("x" * room_for)}, version)
    with pytest.raises(TooLarge):
        parse_pdu({**good, key: form.format("x" * (room_for + 1))}, version)
    in_code_points = {**good, key: form.format("é" * room_for)}
    if int(version.identifier) >= 11:
        with pytest.raises(TooLarge):
            parse_pdu(in_code_points, version)
    else:
        # Not dropped, but the authorisation rules reject it.
        parse_pdu(in_code_points, version)


pdus = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["m.room.member", "m.room.create", "m.room.redaction", "x"]),
        "content": st.dictionaries(
            st.sampled_from(["membership", "redacts", "x"]), json_values(), max_size=3
        ),
        "sender": st.sampled_from(["@a:b", "@:b", "@é:b"]),
        "room_id": st.just("!r:a"),
        "depth": st.integers(0, 2**53 - 1),
        "origin_server_ts": st.integers(-(2**53) + 1, 2**53 - 1),
        "prev_events": st.lists(st.sampled_from(["$a", "$b:c"]), max_size=3),
        "auth_events": st.lists(st.sampled_from(["$a", "$b:c"]), max_size=3),
        "hashes": st.just({"sha256": "x", "md5": 1}),
        "signatures": st.just({"b": {"ed25519:1": "x"}}),
    },
    optional={
        "state_key": st.sampled_from(["", "@a:b"]),
        "unsigned": st.just({"age": 1}),
        "redacts": st.sampled_from(["$a", "$b:c"]),
        "origin": json_values(),
        "prev_state": json_values(),
        "outlier": json_values(),
    },
)


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=list(ROOM_VERSIONS))
@settings(max_examples=40)
@given(pdu=pdus)
def test_nothing_of_a_pdu_is_lost(pdu: JsonObject, version: RoomVersion) -> None:
    pdu = in_form_of(pdu, version)
    event = parse_pdu(pdu, version)
    assert event.pdu() == pdu
    stored = from_stored(*stored_forms(event), event.room_id, version)
    assert stored.pdu() == {key: value for key, value in pdu.items() if key != "unsigned"}
    assert stored.event_id == event.event_id
    assert stored.redacts == event.redacts


def in_form_of(pdu: JsonObject, version: RoomVersion) -> JsonObject:
    if version.edges_carry_hashes:
        edges = {
            name: [[event_id, {"sha256": name}] for event_id in pdu[name]]
            for name in ("prev_events", "auth_events")
        }
        return {**pdu, **edges, "event_id": "$e:b"}
    if version.room_id_is_create_hash:
        is_create = pdu["type"] == "m.room.create" and pdu.get("state_key") == ""
        return {key: value for key, value in pdu.items() if key != "room_id" or not is_create}
    return pdu


@pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=list(ROOM_VERSIONS))
@settings(max_examples=40)
@given(
    key=st.sampled_from(sorted(Room.with_members(ROOM_VERSIONS["12"]).create.pdu())),
    value=json_values(st.floats()),
)
def test_junk_is_an_event_or_a_matrix_error(key: str, value: Any, version: RoomVersion) -> None:
    pdu = {**Room.with_members(version).add("m.room.message", {}).pdu(), key: value}
    try:
        event = parse_pdu(pdu, version)
    except (BadJson, TooLarge):
        return
    assert event.pdu()[key] == value


def test_deep_nesting_is_bad_json() -> None:
    content: JsonObject = {}
    for _ in range(20_000):
        content = {"a": content}
    for version in ROOM_VERSIONS.values():
        room = Room.with_members(version)
        with pytest.raises(BadJson):
            room.event("m.room.message", content)
        with pytest.raises(BadJson):
            parse_pdu({**room.event("m.room.message", {}).pdu(), "content": content}, version)


def test_proposals_are_not_changed() -> None:
    version = ROOM_VERSIONS["12"]
    content = {"reason": "x"}
    room = Room.with_members(version)
    proposal = Proposal(
        version=version,
        room_id=room.create.room_id,
        type="m.room.redaction",
        sender=CREATOR,
        content=content,
        origin_server_ts=1,
        depth=1,
        prev_events=(),
        auth_events=(),
        redacts=EventID("$x"),
    )
    assert build_event(proposal, signer_of(CREATOR)) == build_event(proposal, signer_of(CREATOR))
    assert content == {"reason": "x"}
