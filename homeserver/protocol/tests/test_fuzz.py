"""Anything at all, read as an event and judged by the rules: refused in the way that is foreseen, or sound.

Each property is tried in each room version with some dozens of examples, always the same. FOLKMOOT_TEST_EXAMPLES
sets how many, and makes them other ones at every run.
"""

import os
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
from homeserver.protocol.hashes import content_hash_matches, event_id_of
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.protocol.power_levels import PowerLevels
from homeserver.protocol.redaction import redact, redact_event
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.signing import SignatureInvalid
from homeserver.protocol.stripped import stripped_state
from homeserver.protocol.tests.odd_events import corpus, odd_forms, odd_pdus, odd_values, with_mistakes
from homeserver.protocol.tests.rooms import every_version, signer_of

_EXAMPLES = os.environ.get("FOLKMOOT_TEST_EXAMPLES")

pytestmark = [pytest.mark.timeout(0)] if _EXAMPLES else []

_LIMITED = settings(
    max_examples=int(_EXAMPLES or 30),
    derandomize=_EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def parsed(pdu: JsonObject, version: RoomVersion) -> Event | None:
    """None where it is refused as the wire asks for."""
    try:
        return parse_pdu(pdu, version)
    except (BadJson, TooLarge):
        return None


@every_version
@_LIMITED
@given(data=st.data())
def test_bytes(version: RoomVersion, data: st.DataObject) -> None:
    """Those of an event of which some were cut out or replaced."""
    whole = encode_json(data.draw(st.sampled_from(corpus(version).events)).pdu())
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    junk = data.draw(st.one_of(st.binary(max_size=8), st.text(max_size=4).map(str.encode)))
    received = whole[:start] + junk + whole[data.draw(st.sampled_from([start, end])) :]
    try:
        pdu = decode_json(received)
    except ValueError:
        return
    event = parsed(pdu, version)
    assert event is None or without_unsigned(event.pdu()) == without_unsigned(pdu)


@every_version
@_LIMITED
@given(value=odd_values)
def test_what_is_no_object(version: RoomVersion, value: object) -> None:
    assert parsed(value, version) is None  # type: ignore[arg-type] # which is what is tried


@every_version
@_LIMITED
@given(data=st.data())
def test_pdus(version: RoomVersion, data: st.DataObject) -> None:
    pdu = data.draw(odd_pdus(version))
    event = parsed(pdu, version)
    if event is None:
        return
    assert without_unsigned(event.pdu()) == without_unsigned(pdu), "nothing is lost"
    assert event.unsigned == pdu.get("unsigned", {})
    assert stored_and_read(event) == msgspec.structs.replace(event, unsigned={})
    assert event_id_of(redact(pdu, version), version) == event.event_id
    redacted = redact_event(event)
    assert redacted.pdu() == redact(pdu, version)
    assert stored_and_read(redacted) == redacted
    assert parsed(redacted.pdu(), version) == redacted, "still an event, with the same ID"
    if event.is_state:
        encode_json(stripped_state(event))


def stored_and_read(event: Event) -> Event:
    return from_stored(*stored_forms(event), event.room_id, event.version)


@every_version
@_LIMITED
@given(data=st.data())
def test_changes_after_signing(version: RoomVersion, data: st.DataObject) -> None:
    """Whatever was changed, signatures or the hash show it; of what they do not show, nothing was changed."""
    event = data.draw(st.sampled_from(corpus(version).events))
    received = parsed(data.draw(odd_forms(event.pdu(), least=1)), version)
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
@given(data=st.data())
def test_rules(version: RoomVersion, data: st.DataObject) -> None:
    """Odd events, whole and redacted, are allowed or rejected by odd states and odd auth events."""
    event = parsed(data.draw(odd_pdus(version)), version)
    if event is None:
        return
    state = odd_state(version, data)
    for whole_or_redacted in (event, redact_event(event)):
        judge(whole_or_redacted, state)
    known = corpus(version).known() | {each.event_id: each for each in state.values()}
    cited = [known[event_id] for event_id in event.auth_events if event_id in known]
    cited += data.draw(st.lists(st.sampled_from(list(known.values())), max_size=2))
    judge_auth_events(event, cited, data.draw(st.sets(st.sampled_from(list(known)), max_size=2)))


def odd_state(version: RoomVersion, data: st.DataObject) -> dict[Slot, Event]:
    """The state of the corpus, some of it missing, with mistakes, or under another slot."""
    state = dict(corpus(version).state)
    for slot in data.draw(st.lists(st.sampled_from(list(state)), max_size=4, unique=True)):
        content = data.draw(with_mistakes(state[slot].content, least=1))
        odd = parsed({**state[slot].pdu(), "content": content}, version)
        if odd is None:
            del state[slot]
        else:
            state[slot] = odd
    return state


def judge(event: Event, state: dict[Slot, Event]) -> None:
    slots = auth_slots(
        type=event.type,
        sender=event.sender,
        state_key=event.state_key,
        content=event.content,
        version=event.version,
    )
    is_allowed = allows(event, state)
    create = ("m.room.create", "")
    asked_for = {slot: state[slot] for slot in (*slots, create) if slot in state}
    assert allows(event, asked_for) is is_allowed, "nothing else decides"
    if create in state:
        levels = PowerLevels(state[create], state.get(("m.room.power_levels", "")), event.version)
        redaction_applies(event, state[create], levels)
        assert levels.notifications() is not None


def allows(event: Event, state: dict[Slot, Event]) -> bool:
    try:
        check_auth(event, state)
    except AuthRejected:
        return False
    return True


def judge_auth_events(event: Event, cited: list[Event], rejected: Iterable[EventID]) -> None:
    try:
        check_auth_events(event, cited, set(rejected))
    except AuthRejected:
        return
    assert not {each.event_id for each in cited} & set(rejected) or event.type == "m.room.create"
