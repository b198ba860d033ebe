"""Secrets and identifiers: their form, and that a seed repeats them."""

import string
from random import Random

from homeserver.runtime.randomness import Randomness


def test_lengths_and_alphabets() -> None:
    randomness = Randomness()
    token, device = randomness.token(2_000), randomness.uppercase(1_000)
    assert len(token) == 2_000
    assert set(token) == set(string.ascii_letters + string.digits)
    assert len(device) == 1_000
    assert set(device) == set(string.ascii_uppercase)
    assert len(randomness.bytes(32)) == 32


def test_a_seed_repeats_a_run() -> None:
    one, other = Randomness(Random(7)), Randomness(Random(7))
    assert [one.token(8), one.bytes(8), one.uppercase(8)] == [
        other.token(8),
        other.bytes(8),
        other.uppercase(8),
    ]


def test_without_a_seed_nothing_repeats() -> None:
    assert Randomness().token(20) != Randomness().token(20)
