from hashlib import sha256
from random import Random

from homeserver.accounts.tokens import (
    first_refresh_place,
    new_access_token,
    new_refresh_token,
    refresh_place_of,
    token_hash,
)
from homeserver.runtime.randomness import Randomness


def test_kinds_can_be_told_apart() -> None:
    randomness = Randomness(Random(1))
    place = first_refresh_place(randomness)
    access, refresh = new_access_token(randomness), new_refresh_token(randomness, place)
    assert access.text.startswith("fmt_")
    assert refresh.text.startswith("fmr_")
    assert access.text[-36:] != refresh.text[-36:]
    assert len(access.text) == 40


def test_refresh_tokens_tell_where_they_belong() -> None:
    randomness = Randomness(Random(1))
    place = first_refresh_place(randomness)
    for one in (place, place.next(10**15)):
        token = new_refresh_token(randomness, one)
        assert refresh_place_of(token.text) == one
        assert refresh_place_of(token.text + "x") is None
    assert refresh_place_of(new_access_token(randomness).text) is None
    assert first_refresh_place(randomness).session_hash != place.session_hash


def test_hash_is_that_of_the_text() -> None:
    token = new_access_token(Randomness())
    assert token.hash == token_hash(token.text) == sha256(token.text.encode()).digest()


def test_any_text_has_a_hash() -> None:
    assert len(token_hash("ü\udc80")) == 32
