"""Tokens of every kind: text for the client, a hash for the database."""

import re
from hashlib import sha256
from typing import NamedTuple

from homeserver.runtime.randomness import Randomness

_ACCESS_PREFIX = "fmt_"
_REFRESH_PREFIX = "fmr_"
_LOGIN_PREFIX = "fml_"
_OPENID_PREFIX = "fmo_"
# 36 characters of 62 are worth 214 bits, so a plain hash is enough: there is nothing to guess.
_LENGTH = 36
_SESSION_LENGTH = 24
_REFRESH = re.compile(
    f"{_REFRESH_PREFIX}([0-9A-Za-z]{{{_SESSION_LENGTH}}})_([0-9]{{1,18}})_[0-9A-Za-z]{{{_LENGTH}}}"
)


class Token(NamedTuple):
    text: str
    hash: bytes


class RefreshPlace(NamedTuple):
    """Where a refresh token belongs, which is written in it: to which session, and as the how-manyth."""

    session: str
    generation: int

    @property
    def session_hash(self) -> bytes:
        return token_hash(self.session)

    def next(self, generation: int) -> "RefreshPlace":
        return self._replace(generation=generation)


def first_refresh_place(randomness: Randomness) -> RefreshPlace:
    """Of a new session."""
    return RefreshPlace(randomness.token(_SESSION_LENGTH), 0)


def refresh_place_of(text: str) -> RefreshPlace | None:
    """None for what is no refresh token."""
    found = _REFRESH.fullmatch(text)
    return None if found is None else RefreshPlace(found[1], int(found[2]))


def new_access_token(randomness: Randomness) -> Token:
    return _new(_ACCESS_PREFIX, randomness)


def new_refresh_token(randomness: Randomness, place: RefreshPlace) -> Token:
    return _new(f"{_REFRESH_PREFIX}{place.session}_{place.generation}_", randomness)


def new_login_token(randomness: Randomness) -> Token:
    return _new(_LOGIN_PREFIX, randomness)


def new_openid_token(randomness: Randomness) -> Token:
    return _new(_OPENID_PREFIX, randomness)


def token_hash(text: str) -> bytes:
    return sha256(text.encode(errors="replace")).digest()


def _new(prefix: str, randomness: Randomness) -> Token:
    text = prefix + randomness.token(_LENGTH)
    return Token(text, token_hash(text))
