import pytest

from homeserver.protocol.errors import InvalidParam, InvalidUsername
from homeserver.protocol.identifiers import (
    RoomID,
    ServerName,
    is_valid_new_localpart,
    localpart_of,
    new_user_id,
    parse_event_id,
    parse_room_alias,
    parse_room_id,
    parse_server_name,
    parse_user_id,
    server_of,
)

HASH = "Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ"


@pytest.mark.parametrize(
    "server_name",
    [
        "matrix.org",
        "matrix.org:8888",
        "1.2.3.4",
        "1.2.3.4:1234",
        "[1234:5678::abcd]",
        "[1234:5678::abcd]:5678",
        "MATRIX.org",
        "localhost",
    ],
)
def test_server_names_of_the_specification_are_accepted(server_name: str) -> None:
    assert parse_server_name(server_name) == server_name
    assert parse_user_id(f"@user:{server_name}") == f"@user:{server_name}"
    assert server_of(f"@user:{server_name}") == server_name


@pytest.mark.parametrize(
    "server_name",
    ["", "under_score.org", "a b", "host:", "host:123456", "[::1", "host:80:80", "ünicode.org", "host\n"],
)
def test_other_server_names_are_refused(server_name: str) -> None:
    with pytest.raises(InvalidParam):
        parse_server_name(server_name)
    with pytest.raises(InvalidParam):
        parse_user_id(f"@user:{server_name}")


@pytest.mark.parametrize(
    "user_id", ["@a:b", "@:b", "@UPPER:b", "@sp ace:b", "@日本:b", "@a/+=-_.:b", "@\x01:b"]
)
def test_historical_user_ids_are_accepted(user_id: str) -> None:
    assert parse_user_id(user_id) == user_id


@pytest.mark.parametrize("user_id", ["", "a:b", "@a", "@a:", "#a:b", "@a\x00:b", "@\ud800:b", "@a:b\n"])
def test_other_texts_are_no_user_ids(user_id: str) -> None:
    with pytest.raises(InvalidParam):
        parse_user_id(user_id)


def test_identifiers_have_at_most_255_bytes() -> None:
    assert parse_user_id("@" + "a" * 252 + ":b")
    with pytest.raises(InvalidParam):
        parse_user_id("@" + "a" * 253 + ":b")
    # 255 code points, but 381 bytes.
    with pytest.raises(InvalidParam):
        parse_user_id("@" + "é" * 126 + "a" * 126 + ":b")


def test_room_ids_have_a_domain_or_are_a_hash() -> None:
    assert parse_room_id("!opaque:example.org") == "!opaque:example.org"
    assert parse_room_id("!" + HASH) == "!" + HASH
    for text in ("!opaque", "!", "!:example.org", "!" + HASH + "A", "$" + HASH, "!opaque:"):
        with pytest.raises(InvalidParam):
            parse_room_id(text)


def test_room_aliases_and_event_ids() -> None:
    assert parse_room_alias("#日本 room:example.org:8448") == "#日本 room:example.org:8448"
    assert parse_event_id("$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk")
    assert parse_event_id("$1:example.org")
    for text in ("#:a", "#room", "room:a"):
        with pytest.raises(InvalidParam):
            parse_room_alias(text)
    for text in ("$", "1:a", "$\x00", "$" + "a" * 255):
        with pytest.raises(InvalidParam):
            parse_event_id(text)


def test_parts() -> None:
    assert localpart_of("@user:example.org:8448") == "user"
    assert server_of("#room:example.org:8448") == "example.org:8448"
    with pytest.raises(InvalidParam):
        server_of(RoomID("!" + HASH))


def test_new_users_have_a_stricter_grammar() -> None:
    assert all(map(is_valid_new_localpart, ["a", "0.9_=-/+", "x" * 300]))
    assert not any(map(is_valid_new_localpart, ["", "A", "é", "a b", "a:b", "a\n", "a@"]))


def test_new_user_id_checks_the_whole_length() -> None:
    server_name = ServerName("example.org")
    assert new_user_id("a" * 242, server_name) == "@" + "a" * 242 + ":example.org"
    with pytest.raises(InvalidUsername):
        new_user_id("a" * 243, server_name)
    with pytest.raises(InvalidUsername):
        new_user_id("Alice", server_name)
