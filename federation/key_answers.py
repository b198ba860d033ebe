"""The object by which a server publishes its keys, made and read.

https://spec.matrix.org/v1.19/server-server-api/#publishing-keys
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from config.federation import OldKey
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.protocol.signing import (
    ALGORITHM,
    EventSigner,
    SignatureInvalid,
    sign_json,
    verify_json,
)
from homeserver.protocol.unpadded_base64 import decode_base64, encode_base64

# However long a server promises: https://spec.matrix.org/v1.19/server-server-api/#get_matrixkeyv2server
_LONGEST_VALIDITY_MS = 7 * 24 * 3600 * 1000
_MOST_KEYS = 50
_KEY_BYTES = 32
_LATEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ServerKey:
    """A public key of another server. Times are in milliseconds.

    It signs requests up to `valid_until`, which is 0 for one that does so no more since `expired_at`.
    """

    key_id: str
    public_key: bytes
    valid_until: int
    expired_at: int | None = None

    def was_valid_at(self, ts: int) -> bool:
        """Whether it may have signed an event of that time."""
        return ts <= (self.valid_until if self.expired_at is None else self.expired_at)


@dataclass(frozen=True, slots=True)
class KeyAnswer:
    """A server's keys as it published them. `signed` is the object with that server's signatures alone."""

    server_name: ServerName
    keys: tuple[ServerKey, ...]
    signed: JsonObject


class KeyAnswerInvalid(Exception):
    """The object does not say what it must, or is not signed by whom it should."""


class _Key(msgspec.Struct):
    key: str


class _OldKey(msgspec.Struct):
    key: str
    expired_ts: int


class _Answer(msgspec.Struct):
    server_name: str
    valid_until_ts: int
    verify_keys: dict[str, _Key]
    signatures: dict[str, dict[str, str]]
    old_verify_keys: dict[str, _OldKey] = {}


def publish_keys(signer: EventSigner, old_keys: Mapping[str, OldKey], valid_until_ts: int) -> JsonObject:
    """What this server publishes, signed; in the order of canonical JSON, in which some check what they received."""
    answer: JsonObject = {
        "old_verify_keys": {
            key_id: {"expired_ts": old.expired_ts, "key": encode_base64(old.public_key)}
            for key_id, old in sorted(old_keys.items())
        },
        "server_name": signer.server_name,
        "valid_until_ts": valid_until_ts,
        "verify_keys": {signer.key.key_id: {"key": encode_base64(signer.key.public_key)}},
    }
    return dict(sorted(sign_json(answer, signer.server_name, signer.key).items()))


def read_key_answer(value: JsonValue, now_ms: int) -> KeyAnswer:
    """Raises KeyAnswerInvalid unless one of the keys that it names has signed it.

    Whether it came from whom it names, and so whether it is to be believed, is for the caller to know.
    """
    try:
        answer = msgspec.convert(value, _Answer)
    except msgspec.ValidationError as error:
        raise KeyAnswerInvalid(str(error)) from error
    if len(answer.verify_keys) + len(answer.old_verify_keys) > _MOST_KEYS:
        raise KeyAnswerInvalid(f"there are more than {_MOST_KEYS} keys")
    valid_until = min(max(answer.valid_until_ts, 0), now_ms + _LONGEST_VALIDITY_MS)
    current = [
        ServerKey(key_id, public_key, valid_until)
        for key_id, key in answer.verify_keys.items()
        if (public_key := _public_key(key_id, key.key)) is not None
    ]
    _check_signed(value, answer.server_name, current)
    old = [
        ServerKey(key_id, public_key, 0, min(max(key.expired_ts, 0), _LATEST))
        for key_id, key in answer.old_verify_keys.items()
        if (public_key := _public_key(key_id, key.key)) is not None and key_id not in answer.verify_keys
    ]
    own = {answer.server_name: answer.signatures[answer.server_name]}
    return KeyAnswer(ServerName(answer.server_name), (*current, *old), {**value, "signatures": own})


def _public_key(key_id: str, text: str) -> bytes | None:
    """None where it is of an algorithm that is not known; raises KeyAnswerInvalid where it is no key."""
    if not key_id.startswith(f"{ALGORITHM}:"):
        return None
    try:
        key = decode_base64(text)
    except ValueError:
        raise KeyAnswerInvalid(f"{key_id} is not Base64") from None
    if len(key) != _KEY_BYTES:
        raise KeyAnswerInvalid(f"{key_id} does not have {_KEY_BYTES} bytes")
    return key


def _check_signed(value: JsonObject, server_name: str, keys: list[ServerKey]) -> None:
    for key in keys:
        try:
            verify_json(value, server_name, key.key_id, key.public_key)
        except SignatureInvalid:
            continue
        return
    raise KeyAnswerInvalid(f"none of the keys of {server_name} has signed it")
