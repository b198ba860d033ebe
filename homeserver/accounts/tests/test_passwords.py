import unicodedata
from collections.abc import Callable
from itertools import pairwise
from typing import ParamSpec, TypeVar

import bcrypt
import pytest
from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2id
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from config.passwords import PasswordPolicy, Passwords
from homeserver.accounts.passwords import PasswordHasher, check_new_password
from homeserver.protocol.errors import InvalidParam, PasswordTooShort
from homeserver.runtime.threads import InlineThreads

P = ParamSpec("P")
T = TypeVar("T")

_CHEAP = Passwords(bcrypt_rounds=4)
_SALT = bcrypt.gensalt(4)


class BusyThreads(InlineThreads):
    """Runs nothing before it is `free`."""

    def __init__(self) -> None:
        self.free: Deferred[None] = Deferred()
        self.calls = 0

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        self.calls += 1
        outcome: Deferred[T] = Deferred()
        self.free.addCallback(lambda _: InlineThreads.run(self, call, *args, **kwargs).chainDeferred(outcome))
        return outcome


class HashTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.hasher = PasswordHasher(InlineThreads(), _CHEAP)

    def hash(self, hasher: PasswordHasher, password: str) -> str:
        return self.successResultOf(Deferred.fromCoroutine(hasher.hash(password)))

    def verify(self, password: str, password_hash: str | None) -> bool:
        return self.successResultOf(Deferred.fromCoroutine(self.hasher.verify(password, password_hash)))

    def test_right_and_wrong(self) -> None:
        password_hash = self.hash(self.hasher, "pässword")
        self.assertTrue(self.verify("pässword", password_hash))
        self.assertFalse(self.verify("password", password_hash))

    def test_unicode_has_one_form(self) -> None:
        self.assertTrue(self.verify("pa\u0308ssword", self.hash(self.hasher, "p\u00e4ssword")))

    def test_hashes_of_synapse(self) -> None:
        for password in ("pa\u0308ssword", "x" * 200, "with\0nul"):
            imported = bcrypt.hashpw(unicodedata.normalize("NFKC", password).encode()[:72], _SALT).decode()
            self.assertTrue(self.verify(password, imported))
            self.assertFalse(self.verify("other", imported))
        salted = bcrypt.hashpw(b"wordsalt", _SALT).decode()
        self.assertFalse(self.verify("word", salted))
        peppered = PasswordHasher(InlineThreads(), Passwords(bcrypt_rounds=4, pepper="salt"))
        self.assertTrue(self.successResultOf(Deferred.fromCoroutine(peppered.verify("word", salted))))

    def test_nonsense_that_looks_imported(self) -> None:
        for nonsense in ("$2", "$2b$04$", "$2x$99$" + "a" * 53):
            self.assertFalse(self.verify("x", nonsense))

    def test_every_check_takes_the_same_where_hashes_were_imported(self) -> None:
        """The work is counted, as clocks are not to be relied on."""
        imported, own = bcrypt.hashpw(b"right", _SALT).decode(), self.hash(self.hasher, "right")
        done: list[str] = []

        def noting(name: str, check: Callable[[bytes, bytes], bool]) -> Callable[[bytes, bytes], bool]:
            def noted(first: bytes, second: bytes) -> bool:
                done.append(name)
                return check(first, second)

            return noted

        self.patch(bcrypt, "checkpw", noting("bcrypt", bcrypt.checkpw))
        self.patch(argon2id, "verify", noting("argon2id", argon2id.verify))
        # The first check of nobody's makes a hash instead.
        self.verify("wrong", None)
        for password_hash in (imported, own, None):
            done.clear()
            work = self.hasher.verify("wrong", password_hash, imported)
            self.assertFalse(self.successResultOf(Deferred.fromCoroutine(work)))
            self.assertEqual(done, ["argon2id", "bcrypt"])
        work = self.hasher.verify("right", own, bcrypt.hashpw(b"other", _SALT).decode())
        self.assertTrue(self.successResultOf(Deferred.fromCoroutine(work)))

    def test_same_password_has_many_hashes(self) -> None:
        self.assertNotEqual(self.hash(self.hasher, "x"), self.hash(self.hasher, "x"))

    def test_usual_cost(self) -> None:
        password_hash = self.hash(PasswordHasher(InlineThreads(), Passwords()), "x")
        self.assertTrue(password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), password_hash)

    def test_each_round_doubles_the_work(self) -> None:
        costs = []
        for rounds in range(4, 16):
            password_hash = self.hash(PasswordHasher(InlineThreads(), Passwords(bcrypt_rounds=rounds)), "x")
            memory, passes, _ = password_hash.split("$")[3].split(",")
            costs.append(int(memory[2:]) * int(passes[2:]))
        for one, other in pairwise(costs):
            self.assertEqual(other, 2 * one)

    def test_pepper_is_part_of_the_password(self) -> None:
        peppered = self.hash(PasswordHasher(InlineThreads(), Passwords(bcrypt_rounds=4, pepper="salt")), "x")
        self.assertFalse(self.verify("x", peppered))
        self.assertTrue(argon2id.verify(peppered.encode(), b"xsalt"))

    def test_nobodys_password_is_always_wrong(self) -> None:
        for password in ("", "", "anything"):
            self.assertFalse(self.verify(password, None))

    def test_what_is_no_hash_matches_nothing(self) -> None:
        for nonsense in ("", "nonsense", "$argon2id$nonsense", "x" * 200):
            self.assertFalse(self.verify("x", nonsense))

    def test_nobody_takes_as_much_work_as_somebody(self) -> None:
        threads = BusyThreads()
        hasher = PasswordHasher(threads, _CHEAP)
        threads.free.callback(None)
        somebody = self.hash(hasher, "secret")
        checked: list[bytes] = []

        def verify(password_hash: bytes, password: bytes) -> bool:
            checked.append(password_hash)
            raise InvalidkeyError

        self.patch(argon2id, "verify", verify)
        for password_hash in (somebody, None, None):
            self.assertFalse(self.successResultOf(Deferred.fromCoroutine(hasher.verify("x", password_hash))))
        # Making the hash of nobody costs what checking it does; after that it is checked like any other.
        self.assertEqual(len(checked), 2)
        costs = {password_hash.split(b"$")[3] for password_hash in checked}
        self.assertEqual(len(costs), 1)
        self.assertEqual(threads.calls, 4)

    def test_hash_that_nobody_waits_for_is_not_made(self) -> None:
        threads = BusyThreads()
        hasher = PasswordHasher(threads, _CHEAP)
        made: list[bytes] = []

        def note(prepared: bytes) -> bytes:
            made.append(prepared)
            return b"hash"

        self.patch(hasher, "_hash", note)
        abandoned, wanted = (Deferred.fromCoroutine(hasher.hash(text)) for text in ("abandoned", "wanted"))
        abandoned.cancel()
        self.failureResultOf(abandoned, CancelledError)
        threads.free.callback(None)
        self.assertEqual(self.successResultOf(wanted), "hash")
        self.assertEqual(made, [b"wanted"])


def test_every_rule_is_off_by_default() -> None:
    check_new_password("x", PasswordPolicy(minimum_length=8, require_digit=True))


def test_length_is_bounded() -> None:
    for password in ("", "x" * 513):
        with pytest.raises(InvalidParam):
            check_new_password(password, PasswordPolicy())
    check_new_password("x" * 512, PasswordPolicy())


def test_length_counts_characters() -> None:
    policy = PasswordPolicy(enabled=True, minimum_length=4)
    check_new_password("äöüß", policy)
    with pytest.raises(PasswordTooShort):
        check_new_password("äöü", policy)
