from typing import Any

import pytest
from canonicaljson import encode_canonical_json

from config.federation import OldKey
from federation.key_answers import KeyAnswerInvalid, ServerKey, publish_keys, read_key_answer
from federation.tests.peers import DAY_MS, NOW_MS, identity
from homeserver.protocol.json import JsonObject, encode_json
from homeserver.protocol.signing import sign_json, verify_json
from homeserver.protocol.unpadded_base64 import encode_base64

A, OLD = identity("a.example"), identity("a.example", "old")


def answer(**changes: Any) -> JsonObject:
    value = {**publish_keys(A, {}, NOW_MS + DAY_MS), **changes}
    return sign_json({**value, "signatures": {}}, A.server_name, A.key)


def test_what_is_published_can_be_read() -> None:
    published = publish_keys(A, {"ed25519:old": OldKey(OLD.key.public_key, 5)}, NOW_MS + DAY_MS)
    verify_json(published, "a.example", "ed25519:1", A.key.public_key)
    read = read_key_answer(published, NOW_MS)
    assert read.server_name == "a.example"
    assert read.keys == (
        ServerKey("ed25519:1", A.key.public_key, NOW_MS + DAY_MS),
        ServerKey("ed25519:old", OLD.key.public_key, 0, 5),
    )
    assert read.signed == published
    assert encode_json(published) == encode_canonical_json(published)


def test_no_key_is_valid_for_more_than_a_week() -> None:
    (key,) = read_key_answer(answer(valid_until_ts=2**62), NOW_MS).keys
    assert key.valid_until == NOW_MS + 7 * DAY_MS


def test_signatures_of_others_are_left_out() -> None:
    notary = identity("notary.example")
    signed = sign_json(answer(), notary.server_name, notary.key)
    assert read_key_answer(signed, NOW_MS).signed == answer()


def test_keys_of_other_kinds_are_ignored() -> None:
    keys = {"rsa:1": {"key": "?"}, "ed25519:1": {"key": encode_base64(A.key.public_key)}}
    assert [key.key_id for key in read_key_answer(answer(verify_keys=keys), NOW_MS).keys] == ["ed25519:1"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {**answer(), "server_name": "b.example"},
        {**answer(), "valid_until_ts": 5},
        {**answer(), "signatures": {}},
        answer(valid_until_ts="soon"),
        answer(verify_keys={}),
        answer(verify_keys={"ed25519:1": {"key": "short"}}),
        answer(verify_keys={"ed25519:1": {"key": "$"}}),
        answer(verify_keys={"ed25519:1": {"key": encode_base64(OLD.key.public_key)}}),
        answer(old_verify_keys={f"ed25519:{number}": {"key": "", "expired_ts": 1} for number in range(50)}),
    ],
)
def test_what_is_refused(value: object) -> None:
    with pytest.raises(KeyAnswerInvalid):
        read_key_answer(value, NOW_MS)


def test_validity() -> None:
    current, old = ServerKey("a", b"", 100), ServerKey("b", b"", 0, 50)
    assert [current.was_valid_at(ts) for ts in (0, 100, 101)] == [True, True, False]
    assert [old.was_valid_at(ts) for ts in (0, 50, 51)] == [True, True, False]
