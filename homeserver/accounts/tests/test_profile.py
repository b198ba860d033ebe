import pytest

from homeserver.accounts.profile import Profile, check_key
from homeserver.protocol.errors import InvalidParam, KeyTooLarge, ProfileTooLarge


def test_what_is_not_set_is_not_there() -> None:
    assert Profile().as_json() == {}
    assert Profile(avatar_url="mxc://a/b", fields={"m.tz": None}).as_json() == {
        "avatar_url": "mxc://a/b",
        "m.tz": None,
    }


def test_changes_make_new_profiles() -> None:
    before = Profile(displayname="Alice", fields={"m.tz": "UTC"})
    assert before.with_field("m.other", [1]).fields == {"m.tz": "UTC", "m.other": [1]}
    assert before.without_field("m.tz").as_json() == {"displayname": "Alice"}
    assert before.without_field("displayname").as_json() == {"m.tz": "UTC"}
    assert before.as_json() == {"displayname": "Alice", "m.tz": "UTC"}


def test_size_is_below_64_kib() -> None:
    overhead = len('{"m.a":""}')
    Profile().with_field("m.a", "x" * (65_535 - overhead))
    with pytest.raises(ProfileTooLarge):
        Profile().with_field("m.a", "x" * (65_536 - overhead))


def test_size_is_in_bytes() -> None:
    with pytest.raises(ProfileTooLarge):
        Profile().with_field("m.a", "ä" * 33_000)


@pytest.mark.parametrize("key", ["displayname", "m.tz", "a", "org.example-1.pronouns_", "a" * 255])
def test_keys(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize("key", ["", "A", "1a", ".a", "a b", "ä"])
def test_keys_that_cannot_be(key: str) -> None:
    with pytest.raises(InvalidParam):
        check_key(key)


def test_keys_that_are_too_long() -> None:
    with pytest.raises(KeyTooLarge):
        check_key("a" * 256)
