import json
from math import inf, nan
from typing import Any

import canonicaljson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeserver.protocol.json import (
    MAX_INTEGER,
    NotCanonical,
    canonical_json,
    decode_json,
    encode_json,
    relaxed_canonical_json,
    require_canonical,
)

text = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers(-MAX_INTEGER, MAX_INTEGER)


def json_values(*leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.one_of(st.none(), st.booleans(), text, integers, *leaves),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=20,
    )


@pytest.mark.parametrize(
    ("given_text", "canonical"),
    [
        ("{}", "{}"),
        ('{\n "one": 1,\n "two": "Two"\n}', '{"one":1,"two":"Two"}'),
        ('{"b":"2","a":"1"}', '{"a":"1","b":"2"}'),
        (
            '{"auth":{"success":true,"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe",'
            '"three_pids":[{"medium":"email","address":"john.doe@example.org"},'
            '{"medium":"msisdn","address":"123456789"}]}}}',
            '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":'
            '[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},'
            '"success":true}}',
        ),
        ('{"a": "日本語"}', '{"a":"日本語"}'),
        ('{"本": 2, "日": 1}', '{"日":1,"本":2}'),
        (r'{"a": "\u65E5"}', '{"a":"日"}'),
        ('{"a": null}', '{"a":null}'),
        ('{"a": -0}', '{"a":0}'),
    ],
)
def test_examples_of_the_specification(given_text: str, canonical: str) -> None:
    assert canonical_json(decode_json(given_text)) == canonical.encode()


@given(json_values())
def test_agrees_with_the_canonicaljson_package(value: Any) -> None:
    assert canonical_json(value) == canonicaljson.encode_canonical_json(value)
    require_canonical(value)


@given(json_values(st.floats(allow_nan=False, allow_infinity=False), st.integers()))
def test_relaxed_form_agrees_with_python(value: Any) -> None:
    by_python = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    assert relaxed_canonical_json(value) == by_python.encode()


@given(json_values(st.floats(allow_nan=False, allow_infinity=False)))
def test_what_is_encoded_decodes_to_the_same(value: Any) -> None:
    assert decode_json(encode_json(value)) == value


@pytest.mark.parametrize(
    "value", [1.5, 1.0, -0.0, 2**53, -(2**53), nan, inf, [{"a": [0.5]}], {"a": {"b": 2**60}}]
)
def test_what_is_not_canonical(value: Any) -> None:
    with pytest.raises(NotCanonical):
        require_canonical(value)


def test_a_number_with_an_exponent_is_a_float() -> None:
    # The specification's last example makes an integer of it, but events may not have it.
    with pytest.raises(NotCanonical):
        require_canonical(decode_json('{"a": 1e10}'))


def test_deep_nesting_is_refused_and_does_not_crash() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(NotCanonical):
        require_canonical(value)
    with pytest.raises(ValueError, match=r".+"):
        decode_json("[" * 100_000 + "]" * 100_000)


@pytest.mark.parametrize(
    "given_text", ["", "{", "NaN", "Infinity", '"\\ud800"', b"\xff", b'"\xed\xa0\x80"', "1e400"]
)
def test_what_is_not_json(given_text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_json(given_text)
