"""Keeping and checking passwords."""

import re
import unicodedata
from collections.abc import Callable
from typing import TypeVar

import bcrypt
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from twisted.internet.defer import CancelledError

from config.passwords import PasswordPolicy, Passwords
from homeserver.protocol.errors import (
    InvalidParam,
    PasswordNoDigit,
    PasswordNoLowercase,
    PasswordNoSymbol,
    PasswordNoUppercase,
    PasswordTooShort,
    WeakPassword,
)
from homeserver.runtime.threads import Threads

T = TypeVar("T")

# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
_MEMORY_BYTES = 19 * 1024 * 1024
_PASSES = 2
_USUAL_ROUNDS = 12
# bcrypt looks at no more.
_BCRYPT_BYTES = 72
MAX_PASSWORD = 512
IMPORTED_HASH = "$2"
"""How the text of a bcrypt hash begins."""

_RULES: tuple[tuple[str, str, type[WeakPassword], str], ...] = (
    ("require_digit", "[0-9]", PasswordNoDigit, "a digit"),
    ("require_symbol", "[^a-zA-Z0-9]", PasswordNoSymbol, "a symbol"),
    ("require_lowercase", "[a-z]", PasswordNoLowercase, "a lower-case letter"),
    ("require_uppercase", "[A-Z]", PasswordNoUppercase, "an upper-case letter"),
)


class PasswordHasher:
    """Hashes with argon2id in the threads it is given; their number bounds the hashes made at once."""

    def __init__(self, threads: Threads, settings: Passwords) -> None:
        self._threads = threads
        self._pepper = settings.pepper or ""
        self._passes, self._memory = _cost(settings.bcrypt_rounds)
        self._nobodys_hash: bytes | None = None

    async def hash(self, password: str) -> str:
        """The hash in its usual text form, `$argon2id$…`, with its salt and cost."""
        return (await self._run(self._hash, self._prepared(password))).decode()

    async def verify(self, password: str, password_hash: str | None, imported: str | None = None) -> bool:
        """Without a hash it takes just as long to say no, so that nobody learns who has an account.

        As long as there is an `imported` hash, which is checked in another way, every check takes the time of both.
        """
        is_imported = password_hash is not None and was_imported(password_hash)
        prepared = self._prepared(password)
        return await self._run(
            self._verify,
            prepared,
            None if is_imported else password_hash,
            password_hash if is_imported else None,
            imported,
        )

    def _prepared(self, password: str) -> bytes:
        # COMPAT(synapse): the same normalisation and pepper, so that imported hashes stay valid.
        normalised = unicodedata.normalize("NFKC", password) + self._pepper
        return normalised.encode(errors="replace")

    def _hash(self, prepared: bytes) -> bytes:
        return argon2id.str(prepared, opslimit=self._passes, memlimit=self._memory)

    def _verify(self, prepared: bytes, own: str | None, imported: str | None, decoy: str | None) -> bool:
        matches = self._verify_nobody(prepared) if own is None else _matches(prepared, own.encode())
        if imported is not None:
            return _matches_imported(prepared, imported)
        if decoy is not None:
            _matches_imported(prepared, decoy)
        return matches

    def _verify_nobody(self, prepared: bytes) -> bool:
        if self._nobodys_hash is None:
            self._nobodys_hash = self._hash(b"")
            return False
        _matches(prepared, self._nobodys_hash)
        return False

    async def _run(self, call: Callable[..., T], *args: object) -> T:
        """Work that waits for a thread when its client goes away is not done."""
        wanted = True

        def run_if_wanted() -> T:
            if not wanted:
                raise CancelledError
            return call(*args)

        try:
            return await self._threads.run(run_if_wanted)
        except CancelledError:
            wanted = False
            raise


def _matches(prepared: bytes, password_hash: bytes) -> bool:
    try:
        return argon2id.verify(password_hash, prepared)
    except CryptoError:
        return False


def was_imported(password_hash: str) -> bool:
    """Whether it is a hash of Synapse, which is to be replaced once its password is known again."""
    return password_hash.startswith(IMPORTED_HASH)


def _matches_imported(prepared: bytes, password_hash: str) -> bool:
    try:
        return bcrypt.checkpw(prepared[:_BCRYPT_BYTES], password_hash.encode())
    except ValueError:
        return False


def _cost(rounds: int) -> tuple[int, int]:
    """(passes, bytes of memory) for a work factor of bcrypt's, each of which doubles the work."""
    if rounds >= _USUAL_ROUNDS:
        return _PASSES << (rounds - _USUAL_ROUNDS), _MEMORY_BYTES
    # Two passes can only be halved once; beyond that the memory shrinks.
    return 1, _MEMORY_BYTES >> (_USUAL_ROUNDS - 1 - rounds)


def check_new_password(password: str, policy: PasswordPolicy) -> None:
    """Raises InvalidParam, or a kind of WeakPassword, where nobody may have this password (MSC2000)."""
    if not password or len(password) > MAX_PASSWORD:
        raise InvalidParam(f"A password has 1 to {MAX_PASSWORD} characters")
    if not policy.enabled:
        return
    if len(password) < policy.minimum_length:
        raise PasswordTooShort(f"The password must have at least {policy.minimum_length} characters")
    for rule, pattern, error, what in _RULES:
        if getattr(policy, rule) and re.search(pattern, password) is None:
            raise error(f"The password must have {what}")
