from homeserver.search.words import folded, words_of_term, words_of_user


def test_case_and_accents_do_not_matter() -> None:
    assert folded("Ärger") == folded("A\u0308RGER") == "arger"
    assert folded("Straße") == "strasse"
    assert folded("Łódź") == "łodz"
    assert folded("ﬁne") == "fine"


def test_words_of_a_user() -> None:
    assert words_of_user("@jane.doe_2:example.org", "Jané O'Neill") == [
        "@jane.doe_2:example.org",
        "jane.doe_2",
        "jane",
        "doe",
        "2",
        "o",
        "neill",
    ]
    assert words_of_user("@bob:test", None) == ["@bob:test", "bob"]


def test_names_without_spaces_are_found_by_each_part() -> None:
    assert words_of_user("@t:test", "山田太郎")[2:] == ["山田太郎", "田太郎", "太郎", "郎"]


def test_long_names_are_cut() -> None:
    assert len(words_of_user("@a:test", " ".join(f"word{number}" for number in range(500)))) == 64
    assert max(map(len, words_of_user("@a:test", "x" * 500))) == 64


def test_what_is_looked_for() -> None:
    assert words_of_term("  Jo  ALEXANDER jo") == ["alexander", "jo"]
    assert words_of_term("@Bob:Test") == ["@bob:test"]
    assert words_of_term("@Bob") == ["bob"]
    assert words_of_term("") == words_of_term(" !? ") == words_of_term("@") == []
