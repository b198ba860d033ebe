"""Hashes, IDs, redaction, signatures and canonical JSON of random events are the same here and in Synapse."""

from collections.abc import Callable, Sequence
from random import Random

import pytest

from homeserver.protocol.errors import BadJson
from homeserver.protocol.hashes import canonical_event_json, content_hash, essential_json, event_id_of
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.redaction import redact
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion, room_version
from homeserver.protocol.signing import SignatureInvalid, verify_signature
from synapse_compat_tests.differential.event_building import signer_of
from synapse_compat_tests.differential.random_pdus import random_json, random_pdu
from synapse_compat_tests.differential.synapse_process import Outcome, SynapseFunctions

COUNT = 300
SIGNER = signer_of(UserID("@alice:a.example"))

every_version = pytest.mark.parametrize("version", ROOM_VERSIONS.values(), ids=list(ROOM_VERSIONS))


def random_pdus(version: RoomVersion) -> list[JsonObject]:
    random = Random(version.identifier)
    return [random_pdu(version, random) for _ in range(COUNT)]


def assert_same(
    ours: Callable[[JsonObject], JsonValue], pdus: Sequence[JsonObject], outcomes: Sequence[Outcome]
) -> None:
    assert len(pdus) == len(outcomes) > 0
    for pdu, outcome in zip(pdus, outcomes, strict=True):
        assert outcome == Outcome(ours(pdu)), pdu


@every_version
def test_redaction(version: RoomVersion, synapse: SynapseFunctions) -> None:
    pdus = random_pdus(version)
    theirs = synapse.redact(version, pdus)
    for outcome in theirs:
        # Something of it stays in what Synapse keeps, but no other server sees that.
        outcome.value.pop("unsigned")
    assert_same(lambda pdu: redact(pdu, version), pdus, theirs)


@every_version
def test_content_hashes(version: RoomVersion, synapse: SynapseFunctions) -> None:
    pdus = random_pdus(version)
    assert_same(lambda pdu: content_hash(pdu, version), pdus, synapse.content_hashes(pdus))


@every_version
def test_event_ids(version: RoomVersion, synapse: SynapseFunctions) -> None:
    pdus = random_pdus(version)
    assert_same(
        lambda pdu: event_id_of(pdu, essential_json(pdu, version), version),
        pdus,
        synapse.event_ids(version, pdus),
    )


@every_version
def test_canonical_json(version: RoomVersion, synapse: SynapseFunctions) -> None:
    random = Random(version.identifier)
    strict = version.strict_canonical_json
    values = [random_json(random, 4, strict=strict) for _ in range(COUNT)]
    assert_same(
        lambda value: canonical_event_json(value, version).decode(), values, synapse.canonical_json(values)
    )


@every_version
def test_what_canonical_json_cannot_say(version: RoomVersion, synapse: SynapseFunctions) -> None:
    values: list[JsonValue] = [{"x": "\ud800"}, {"\udfff": 1}]
    if not version.strict_canonical_json:
        # The other versions refuse floats of any kind, before anything is written.
        values += [{"x": float("nan")}, {"x": [float("-inf")]}]
    for value, outcome in zip(values, synapse.canonical_json(values), strict=True):
        assert outcome.raised is not None
        with pytest.raises(BadJson):
            canonical_event_json(value, version)


@every_version
def test_synapse_makes_the_same_signatures(version: RoomVersion, synapse: SynapseFunctions) -> None:
    pdus = random_pdus(version)
    assert_same(
        lambda pdu: {**pdu["signatures"], **SIGNER.signatures(essential_json(pdu, version))},
        pdus,
        synapse.signatures(version, pdus, SIGNER),
    )


@every_version
def test_each_verifies_what_the_other_signed(version: RoomVersion, synapse: SynapseFunctions) -> None:
    pdus = random_pdus(version)
    signed_by_synapse = [
        {**pdu, "signatures": outcome.value}
        for pdu, outcome in zip(pdus, synapse.signatures(version, pdus, SIGNER), strict=True)
    ]
    assert all(verifies(pdu, version) for pdu in signed_by_synapse)
    signed_here = [{**pdu, "signatures": SIGNER.signatures(essential_json(pdu, version))} for pdu in pdus]
    assert all(outcome.raised is None for outcome in synapse.verify(version, signed_here, SIGNER))
    changed = [{**pdu, "depth": pdu["depth"] ^ 1} for pdu in signed_here]
    assert not any(verifies(pdu, version) for pdu in changed)
    assert all(outcome.raised is not None for outcome in synapse.verify(version, changed, SIGNER))


def verifies(pdu: JsonObject, version: RoomVersion) -> bool:
    signature = pdu["signatures"][SIGNER.server_name][SIGNER.key.key_id]
    try:
        verify_signature(essential_json(pdu, version), signature, SIGNER.key.public_key)
    except SignatureInvalid:
        return False
    return True


class TestDeviations:
    """Where Synapse does otherwise than the specification says. None of it matters to events that are accepted."""

    @pytest.mark.parametrize("key", ["age_ts", "outlier", "destinations"])
    def test_synapse_leaves_its_own_keys_out_of_content_hashes(
        self, key: str, synapse: SynapseFunctions
    ) -> None:
        """ "The event is stripped of the `unsigned`, `signatures` and `hashes` keys": of no others."""
        version = room_version("12")
        pdu = random_pdu(version, Random(0))
        with_key = {**pdu, key: 1}
        one, other = synapse.content_hashes([pdu, with_key])
        assert one == other == Outcome(content_hash(pdu, version))
        assert content_hash(with_key, version) != content_hash(pdu, version)

    def test_synapse_leaves_the_room_id_out_of_create_events(self, synapse: SynapseFunctions) -> None:
        """ "The server must strip off any keys not in the following list: (...) `room_id` (...)"."""
        version = room_version("12")
        pdu = {**random_pdu(version, Random(0)), "type": "m.room.create", "room_id": "!x"}
        [outcome] = synapse.redact(version, [pdu])
        assert "room_id" in redact(pdu, version)
        assert "room_id" not in outcome.value
