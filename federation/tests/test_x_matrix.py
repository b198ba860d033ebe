import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.x_matrix import authorization, parse_authorization, request_json
from homeserver.protocol.errors import Unauthorized
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.signing import SignatureInvalid, SigningKey, verify_json

KEY = SigningKey("1", b"\x01" * 32)
A, B = ServerName("a.example:8448"), ServerName("[::1]:80")


@pytest.mark.parametrize(
    "header",
    [
        'X-Matrix origin="a.example:8448",destination="b.example",key="ed25519:1",sig="x+/y"',
        "X-Matrix origin=a.example:8448,destination=b.example,key=ed25519:1,sig=x+/y",
        'x-matrix   Origin=a.example:8448 ,\tDESTINATION="b.example" , key="ed25519:1", sig="x+/y"  ',
        r'X-Matrix sig="x\+/y",key="ed\25519:1",destination="b.example",origin="a.example:8448"',
        'X-Matrix origin=a.example:8448,unknown="a,b=\\"c\\"",destination=b.example,key=ed25519:1,sig="x+/y",',
    ],
)
def test_all_ways_to_write_it(header: str) -> None:
    found = parse_authorization(header)
    assert (found.origin, found.destination, found.key_id, found.signature) == (
        A,
        "b.example",
        "ed25519:1",
        "x+/y",
    )


def test_older_servers_name_no_destination() -> None:
    assert parse_authorization("X-Matrix origin=a,key=b,sig=c").destination is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer abc",
        "X-Matrix",
        "X-Matrix ",
        "X-Matrix origin=a,key=b",
        "X-Matrix origin=a,sig=b",
        "X-Matrix key=a,sig=b",
        'X-Matrix origin="a,key=b,sig=c',
        "X-Matrix origin=a;key=b;sig=c",
        "X-Matrix origin=a key=b sig=c",
        'X-Matrix origin="a b",key=b,sig=c',
        "X-Matrix origin=,key=b,sig=c",
        "X-Matrix origin=a,key=b,sig=" + "c" * 5000,
    ],
)
def test_what_is_refused(header: str) -> None:
    with pytest.raises(Unauthorized):
        parse_authorization(header)


@given(st.text())
def test_anything_is_either_read_or_refused(text: str) -> None:
    with contextlib.suppress(Unauthorized):
        assert parse_authorization("X-Matrix " + text).origin


@pytest.mark.parametrize("content", [None, {}, {"a": [1, "ü"]}, {"old": 1.5}])
def test_what_is_signed_can_be_checked(content: object) -> None:
    uri = "/_matrix/federation/v1/x?a=%20"
    header = authorization("PUT", uri, A, B, KEY, content)
    found = parse_authorization(header)
    signed = request_json("PUT", uri, found.origin, found.destination, content)
    signed["signatures"] = {found.origin: {found.key_id: found.signature}}
    verify_json(signed, A, "ed25519:1", KEY.public_key)
    for changed in ({"method": "GET"}, {"uri": "/"}, {"destination": "c"}, {"content": {"b": 1}}):
        with pytest.raises(SignatureInvalid):
            verify_json({**signed, **changed}, A, "ed25519:1", KEY.public_key)
