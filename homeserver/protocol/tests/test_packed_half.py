"""What is packed comes back as it was, and is small where events have the form that nearly all have."""

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.protocol.packed_half import pack, unpack, unpack_json

STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
URL_SAFE = STANDARD[:-2] + "-_"


def text_of(alphabet: str, length: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=length, max_size=length)


EDGES = st.lists(text_of(URL_SAFE, 43).map("${}".format), max_size=20)
NAMES = st.text(st.characters(codec="ascii"), max_size=9)
REGULAR = st.fixed_dictionaries(
    {
        "auth_events": EDGES,
        "depth": st.integers(0, 2**63 - 1),
        "hashes": st.fixed_dictionaries({"sha256": text_of(STANDARD, 43)}),
        "prev_events": EDGES,
        "signatures": st.dictionaries(
            NAMES, st.dictionaries(NAMES, text_of(STANDARD, 86), min_size=1, max_size=3), max_size=3
        ),
    }
)
TEXTS = st.one_of(text_of(STANDARD, 43), text_of(STANDARD, 44), text_of(URL_SAFE, 86), st.text(max_size=90))
ODD = st.fixed_dictionaries(
    {
        "auth_events": st.lists(st.one_of(TEXTS.map("${}".format), st.lists(TEXTS))),
        "depth": st.integers(-1, 2**64),
        "hashes": st.fixed_dictionaries({"sha256": TEXTS}, optional={"sha512": TEXTS}),
        "prev_events": EDGES,
        "signatures": st.dictionaries(st.text(max_size=3), st.dictionaries(st.text(max_size=3), TEXTS)),
    },
    optional={"origin": st.text(), "content": st.dictionaries(st.text(), st.booleans())},
)


def plain(**fields: Any) -> JsonObject:
    signature = b64encode(bytes(range(64))).decode().rstrip("=")
    return {
        "auth_events": ["$" + "a-_9" * 10 + "abc"] * 3,
        "depth": 12,
        "hashes": {"sha256": "z" * 43},
        "prev_events": ["$" + "0" * 43],
        "signatures": {"example.org": {"ed25519:1": signature}},
        **fields,
    }


@given(st.one_of(REGULAR, ODD))
def test_what_is_packed_comes_back(half: JsonObject) -> None:
    packed = pack(half)
    assert unpack(packed) == half
    assert decode_json(unpack_json(packed)) == half


@pytest.mark.parametrize(
    "half",
    [
        plain(),
        plain(auth_events=[], prev_events=[]),
        plain(signatures={}),
        plain(signatures={"a": {"ed25519:1": "A" * 86, "ed25519:2": "B" * 86}, "b": {"ed25519:3": "/" * 86}}),
    ],
)
def test_nearly_all_events_are_small(half: JsonObject) -> None:
    assert len(pack(half)) < 0.65 * len(encode_json(half))


@pytest.mark.parametrize(
    "half",
    [
        plain(origin="example.org"),
        plain(auth_events=["$local:example.org"]),
        plain(auth_events=["$a", "$" + "b" * 85]),
        plain(prev_events=["$" + "+" * 43]),
        plain(prev_events=[["$" + "a" * 43, {"sha256": "b" * 43}]]),
        plain(hashes={"sha256": "z" * 43, "sha512": "x"}),
        plain(hashes={"sha256": "z" * 42}),
        plain(hashes={"sha256": "-" * 43}),
        plain(signatures={"example.org": {}}),
        plain(signatures={"example.org": {"ed25519:1": "A" * 85}}),
        plain(signatures={"example.org": {"ed25519:1": "ä" * 86}}),
        plain(signatures={"example.org": {"ed25519: 1": "A" * 86}}),
        plain(signatures={"example.org": {"": "A" * 86}}),
    ],
)
def test_others_are_json(half: JsonObject) -> None:
    assert decode_json(pack(half)) == half


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"1 1\n", b"1 x 3\n", b"1 1 3 example.org\n", b"\xff 1 3\n", b"x"],
)
def test_damage_that_can_be_seen(damaged: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- of several origins, none of which has a text to rely on
        unpack(damaged)


@given(st.binary())
def test_damage_is_never_anything_but_a_value_error(damaged: bytes) -> None:
    try:
        unpack(pack(plain()) + damaged)
        unpack(damaged)
    except ValueError:
        pass
