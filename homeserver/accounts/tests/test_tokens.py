from hashlib import sha256
from random import Random

from homeserver.accounts.tokens import new_access_token, new_refresh_token, token_hash
from homeserver.runtime.randomness import Randomness


def test_kinds_can_be_told_apart() -> None:
    randomness = Randomness(Random(1))
    access, refresh = new_access_token(randomness), new_refresh_token(randomness)
    assert access.text.startswith("fmt_")
    assert refresh.text.startswith("fmr_")
    assert access.text[4:] != refresh.text[4:]
    assert len(access.text) == len(refresh.text) == 40


def test_hash_is_that_of_the_text() -> None:
    token = new_access_token(Randomness())
    assert token.hash == token_hash(token.text) == sha256(token.text.encode()).digest()


def test_any_text_has_a_hash() -> None:
    assert len(token_hash("ü\udc80")) == 32
