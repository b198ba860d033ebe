"""Randomness, given to whoever needs it, so that tests and the simulator can repeat a run."""

import string
from random import Random, SystemRandom  # noqa: TID251 -- the one place that makes randomness

_ALPHABET = string.ascii_letters + string.digits


class Randomness:
    """Secrets and identifiers; from the operating system unless a seeded source is given."""

    def __init__(self, source: Random | None = None) -> None:
        self._source = source or SystemRandom()

    def token(self, length: int) -> str:
        """`length` characters of A-Z a-z 0-9, each worth 5.95 bits."""
        return "".join(self._source.choices(_ALPHABET, k=length))

    def bytes(self, length: int) -> bytes:
        return self._source.randbytes(length)

    def uppercase(self, length: int) -> str:
        """`length` letters A-Z, the customary form of a device ID."""
        return "".join(self._source.choices(string.ascii_uppercase, k=length))

    def fraction(self) -> float:
        """A number from 0 up to 1, without 1: for choices and jitter, not for secrets."""
        return self._source.random()
