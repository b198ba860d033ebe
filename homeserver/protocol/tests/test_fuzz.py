"""Anything at all, read as an event and judged by the rules: refused in the way that is foreseen, or sound.

Each property is tried in each room version with a hundred examples, always the same. FOLKMOOT_TEST_EXAMPLES
sets how many, and makes them other ones at every run.
"""

import os
from collections.abc import Iterable
from random import Random

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.errors import BadJson, TooLarge
from homeserver.protocol.event import Event, Slot
from homeserver.protocol.event_auth import (
    AuthRejected,
    auth_slots,
    check_auth,
    check_auth_events,
    redaction_applies,
)
from homeserver.protocol.event_format import without_unsigned
from homeserver.protocol.event_signatures import required_signers, verify_event
from homeserver.protocol.events import from_stored, parse_pdu, stored_forms
from homeserver.protocol.hashes import content_hash, content_hash_matches, essential_json, event_id_of
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.protocol.power_levels import CREATE, power_levels
from homeserver.protocol.redaction import redact, redact_event
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.signing import SignatureInvalid
from homeserver.protocol.state_resolution import resolve
from homeserver.protocol.stripped import stripped_state
from homeserver.protocol.tests.odd_events import corpus, odd_form, odd_state, odd_value, with_mistakes
from homeserver.protocol.tests.rooms import every_version, signer_of

_EXAMPLES = os.environ.get("FOLKMOOT_TEST_EXAMPLES")

pytestmark = [pytest.mark.timeout(0)] if _EXAMPLES else []

_LIMITED = settings(
    max_examples=int(_EXAMPLES or 100),
    derandomize=_EXAMPLES is None,
    database=None,
    deadline=None,
    # An example is a seed, of which a smaller one is no simpler.
    phases=(Phase.generate,),
)

seeds = st.integers(0, 2**64 - 1)


def parsed(pdu: JsonObject, version: RoomVersion) -> Event | None:
    """None where it is refused as the wire asks for."""
    try:
        return parse_pdu(pdu, version)
    except (BadJson, TooLarge):
        return None


@every_version
@_LIMITED
@given(seed=seeds)
def test_bytes(version: RoomVersion, seed: int) -> None:
    """Those of an event of which some were cut out or replaced."""
    random = Random(seed)
    whole = encode_json(random.choice(corpus(version).events).pdu())
    start, end = sorted(random.choices(range(len(whole)), k=2))
    junk = random.choice([random.randbytes(random.randrange(5)), b"9", b'"', b"\\u0000", b"[" * 9_000])
    received = whole[:start] + junk + whole[random.choice([start, start + 1, end]) :]
    try:
        pdu = decode_json(received)
    except ValueError:
        return
    event = parsed(pdu, version)
    assert event is None or without_unsigned(event.pdu()) == without_unsigned(pdu)


@every_version
@_LIMITED
@given(seed=seeds)
def test_what_is_no_event(version: RoomVersion, seed: int) -> None:
    random = Random(seed)
    assert parsed(odd_value(random), version) is None
    assert parsed(with_mistakes({}, random), version) is None


@every_version
@_LIMITED
@given(seed=seeds)
def test_pdus(version: RoomVersion, seed: int) -> None:
    random = Random(seed)
    pdu = odd_form(random.choice(corpus(version).events).pdu(), random)
    event = parsed(pdu, version)
    if event is None:
        return
    assert without_unsigned(event.pdu()) == without_unsigned(pdu), "nothing is lost"
    assert event.unsigned == pdu.get("unsigned", {})
    assert stored_and_read(event) == msgspec.structs.replace(event, unsigned={})
    assert event_id_of(pdu, essential_json(redact(pdu, version), version), version) == event.event_id
    redacted = redact_event(event)
    assert redacted.pdu() == redact(pdu, version)
    assert stored_and_read(redacted) == redacted
    assert parsed(redacted.pdu(), version) == redacted, "still an event, with the same ID"
    assert not content_hash_matches(event) or event.hashes["sha256"].rstrip("=") == content_hash(pdu, version)
    if event.is_state:
        encode_json(stripped_state(event))


def stored_and_read(event: Event) -> Event:
    return from_stored(*stored_forms(event), event.room_id, event.version)


@every_version
@_LIMITED
@given(seed=seeds)
def test_changes_after_signing(version: RoomVersion, seed: int) -> None:
    """Whatever was changed, signatures or the hash show it; of what they do not show, nothing was changed."""
    random = Random(seed)
    event = random.choice(corpus(version).events)
    received = parsed(odd_form(event.pdu(), random, least=1), version)
    if received is None or not is_signed(received):
        return
    assert redact_event(received).event_id == event.event_id
    assert protected(redact_event(received)) == protected(redact_event(event))
    if content_hash_matches(received):
        assert protected(received) == protected(event)


def is_signed(event: Event) -> bool:
    try:
        for server_name in required_signers(event):
            signer = signer_of(server_name)
            verify_event(event, server_name, signer.key.key_id, signer.key.public_key)
    except SignatureInvalid:
        return False
    return bool(required_signers(event))


def protected(event: Event) -> JsonObject:
    return {key: value for key, value in without_unsigned(event.pdu()).items() if key != "signatures"}


@every_version
@_LIMITED
@given(seed=seeds)
def test_rules(version: RoomVersion, seed: int) -> None:
    """Odd events, whole and redacted, are allowed or rejected by odd states and odd auth events."""
    random = Random(seed)
    event = parsed(odd_form(random.choice(corpus(version).events).pdu(), random), version)
    if event is None:
        return
    state = parsed_state(version, random)
    judge(event, state)
    judge(redact_event(event), state)
    known = {**corpus(version).known, **by_id(state.values())}
    cited = [known[event_id] for event_id in event.auth_events if event_id in known]
    cited += random.sample(list(known.values()), random.choice([0, 0, 0, 1, 2]))
    judge_auth_events(event, cited, set(random.sample(list(known), 3)))


def parsed_state(version: RoomVersion, random: Random) -> dict[Slot, Event]:
    parts = {slot: parsed(pdu, version) for slot, pdu in odd_state(version, random).items()}
    return {slot: part for slot, part in parts.items() if part is not None}


def by_id(events: Iterable[Event]) -> dict[EventID, Event]:
    return {event.event_id: event for event in events}


def judge(event: Event, state: dict[Slot, Event]) -> None:
    slots = auth_slots(
        type=event.type,
        sender=event.sender,
        state_key=event.state_key,
        content=event.content,
        version=event.version,
    )
    asked_for = {slot: state[slot] for slot in (*slots, CREATE) if slot in state}
    assert allows(event, asked_for) is allows(event, state), "nothing else decides"
    if CREATE in state:
        levels = power_levels(state, event.version)
        redaction_applies(event, state[CREATE], levels)
        assert isinstance(levels.notifications(), int)


def allows(event: Event, state: dict[Slot, Event]) -> bool:
    try:
        check_auth(event, state)
    except AuthRejected:
        return False
    return True


def judge_auth_events(event: Event, cited: list[Event], rejected: set[EventID]) -> None:
    try:
        check_auth_events(event, cited, rejected)
    except AuthRejected:
        return
    assert event.type == "m.room.create" or not rejected.intersection(each.event_id for each in cited)


@every_version
@_LIMITED
@given(seed=seeds)
def test_resolution(version: RoomVersion, seed: int) -> None:
    """Whatever is in states, allowed or not, they resolve to one, in which each event is in its slot."""
    random = Random(seed)
    states = [parsed_state(version, random) for _ in range(random.choice([2, 2, 3]))]
    events = by_id(event for state in states for event in state.values())
    graph = LoadedAuthGraph(
        {**corpus(version).known, **events}, random.sample(list(events), len(events) // 4)
    )
    ids = [{slot: event.event_id for slot, event in state.items()} for state in states]
    resolved = resolve(version, ids, graph)
    assert resolved == resolve(version, ids[::-1], graph)
    assert all(graph.event(event_id).slot == slot for slot, event_id in resolved.items())
