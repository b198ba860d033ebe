import pytest

from homeserver.protocol.globs import Glob

_LONG = 60_000


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("m.room.message", "m.room.message"),
        ("lunc?*", "Lunch plans"),
        ("lunc?*", "LUNCH"),
        ("*", ""),
        ("*b*", "abc"),
        ("a*c*e", "abcde"),
        ("a*a", "aa"),
        ("*.txt", "line\nbreak.txt"),
        ("a.c", "A.C"),
        ("?", "ä"),
    ],
)
def test_the_whole_text(pattern: str, text: str) -> None:
    assert Glob(pattern).matches(text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("lunc?*", " lunch"),
        ("lunc?*", "lunc"),
        ("a.c", "abc"),
        ("a*a", "a"),
        ("ab*ba", "aba"),
        ("a*c*e", "aec"),
        ("?", ""),
        ("", "a"),
        ("[a]", "a"),
    ],
)
def test_not_the_whole_text(pattern: str, text: str) -> None:
    assert not Glob(pattern).matches(text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("ex*ple", "An example event."),
        ("ex*ple", "exple"),
        ("ex*ple", "An exciting triple-whammy"),
        ("cake", "I like Cake!"),
        ("cake", "pan-cake"),
        # Word characters are those of ASCII.
        ("cake", "écakeé"),
        ("*cake", "pancake"),
        ("pan*", "pancake"),
        ("a?c", "x abc"),
        ("c++", "why c++?"),
        # The first place where it fits ends within a word, a later one does not.
        ("to*day", "to daylight and day"),
        ("*", ""),
    ],
)
def test_words(pattern: str, text: str) -> None:
    assert Glob(pattern).matches_words(text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("ex*ple", "complex people"),
        ("cake", "pancake"),
        ("cake", "cakes"),
        ("cake", "cake_2"),
        ("a?c", "ac"),
        ("*cake", "pancakes"),
    ],
)
def test_not_words(pattern: str, text: str) -> None:
    assert not Glob(pattern).matches_words(text)


def test_no_pattern_takes_long() -> None:
    """With an expression that tries every way this would not end."""
    nasty = Glob("*a" * 50 + "b")
    assert not nasty.matches("a" * _LONG)
    assert not nasty.matches_words("a" * _LONG)
