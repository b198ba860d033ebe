from typing import Any

import pytest
import signedjson.key
import signedjson.sign
from hypothesis import given
from hypothesis import strategies as st

from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject
from homeserver.protocol.signing import (
    SignatureInvalid,
    SigningKey,
    format_key_file,
    parse_key_file,
    sign_json,
    verify_json,
    verify_signature,
)
from homeserver.protocol.tests.test_json import json_values
from homeserver.protocol.unpadded_base64 import decode_base64, encode_base64

DOMAIN = ServerName("domain")
KEY = SigningKey("1", decode_base64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"))

objects = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values(), max_size=5)


@pytest.mark.parametrize(
    ("value", "signature"),
    [
        ({}, "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"),
        (
            {"one": 1, "two": "Two"},
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
        ),
    ],
)
def test_vectors_of_the_specification(value: JsonObject, signature: str) -> None:
    signed = sign_json(value, DOMAIN, KEY)
    assert signed == {**value, "signatures": {"domain": {"ed25519:1": signature}}}
    verify_json(signed, DOMAIN, "ed25519:1", KEY.public_key)


@given(objects)
def test_agrees_with_the_signedjson_package(value: JsonObject) -> None:
    value.pop("signatures", None)
    theirs = signedjson.key.decode_signing_key_base64("ed25519", "1", format_key_file(KEY).split()[2])
    ours = sign_json(value, DOMAIN, KEY)
    signedjson.sign.verify_signed_json(ours, "domain", signedjson.key.get_verify_key(theirs))
    assert signedjson.sign.sign_json(dict(value), "domain", theirs) == ours


@given(objects, objects)
def test_unsigned_and_other_signatures_do_not_matter(value: JsonObject, unsigned: JsonObject) -> None:
    value.pop("signatures", None)
    once = sign_json(value, DOMAIN, KEY)
    other = SigningKey("2", b"\2" * 32)
    twice = sign_json({**once, "unsigned": unsigned}, ServerName("other"), other)
    verify_json(twice, DOMAIN, "ed25519:1", KEY.public_key)
    verify_json(twice, "other", "ed25519:2", other.public_key)
    assert "signatures" not in value, "the object given is not changed"


def test_second_key_of_a_server_adds_a_signature() -> None:
    twice = sign_json(sign_json({"a": 1}, DOMAIN, KEY), DOMAIN, SigningKey("2", b"\2" * 32))
    assert list(twice["signatures"]["domain"]) == ["ed25519:1", "ed25519:2"]


@pytest.mark.parametrize(
    "change",
    [
        {"a": 2},
        {"b": 1},
        {"signatures": {}},
        {"signatures": None},
        {"signatures": {"domain": {}}},
        {"signatures": {"domain": {"ed25519:1": None}}},
        {"signatures": {"domain": {"ed25519:1": "not base64!"}}},
        {"signatures": {"domain": {"ed25519:1": "c2hvcnQ"}}},
        {"signatures": {"domain": {"ed25519:1": ""}}},
        {"a": float("nan")},
    ],
)
def test_what_is_not_signed_so_is_refused(change: JsonObject) -> None:
    signed = sign_json({"a": 1}, DOMAIN, KEY)
    with pytest.raises(SignatureInvalid):
        verify_json({**signed, **change}, DOMAIN, "ed25519:1", KEY.public_key)


@pytest.mark.parametrize("public_key", [b"", b"\0" * 31, SigningKey("1", b"\1" * 32).public_key])
def test_another_public_key_is_refused(public_key: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        verify_json(sign_json({"a": 1}, DOMAIN, KEY), DOMAIN, "ed25519:1", public_key)


def test_signature_and_message_are_told_apart() -> None:
    message = b"a message"
    verify_signature(message, KEY.sign(message), KEY.public_key)
    longer = encode_base64(decode_base64(KEY.sign(message)) + message[:2])
    with pytest.raises(SignatureInvalid):
        verify_signature(message[2:], longer, KEY.public_key)


def test_key_files_are_those_of_synapse() -> None:
    line = "ed25519 a_VXrq YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0\n"
    key = parse_key_file(line)
    assert (key.algorithm, key.version, key.key_id) == ("ed25519", "a_VXrq", "ed25519:a_VXrq")
    assert format_key_file(key) == line
    (theirs,) = signedjson.key.read_signing_keys([line])
    assert bytes(signedjson.key.get_verify_key(theirs)) == key.public_key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519",
        "ed25519 1",
        "ed25519 1 !!!",
        "ed25519 1 c2hvcnQ",
        "rsa 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0",
        "ed25519 a:b YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0",
        "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0\n" * 2,
    ],
)
def test_other_texts_are_no_key_files(text: str) -> None:
    with pytest.raises(ValueError, match=r"[Ss]ign|[Ss]eed"):
        parse_key_file(text)


def test_a_key_does_not_show_its_seed() -> None:
    secrets: list[Any] = [KEY.seed, format_key_file(KEY).split()[2]]
    assert not any(str(secret) in repr(KEY) for secret in secrets)
