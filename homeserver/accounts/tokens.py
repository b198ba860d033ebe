"""Tokens of every kind: text for the client, a hash for the database."""

from hashlib import sha256
from typing import NamedTuple

from homeserver.runtime.randomness import Randomness

_ACCESS_PREFIX = "fmt_"
_REFRESH_PREFIX = "fmr_"
_LOGIN_PREFIX = "fml_"
_OPENID_PREFIX = "fmo_"
# 36 characters of 62 are worth 214 bits, so a plain hash is enough: there is nothing to guess.
_LENGTH = 36


class Token(NamedTuple):
    text: str
    hash: bytes


def new_access_token(randomness: Randomness) -> Token:
    return _new(_ACCESS_PREFIX, randomness)


def new_refresh_token(randomness: Randomness) -> Token:
    return _new(_REFRESH_PREFIX, randomness)


def new_login_token(randomness: Randomness) -> Token:
    return _new(_LOGIN_PREFIX, randomness)


def new_openid_token(randomness: Randomness) -> Token:
    return _new(_OPENID_PREFIX, randomness)


def token_hash(text: str) -> bytes:
    return sha256(text.encode(errors="replace")).digest()


def _new(prefix: str, randomness: Randomness) -> Token:
    text = prefix + randomness.token(_LENGTH)
    return Token(text, token_hash(text))
