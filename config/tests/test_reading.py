from pathlib import Path

from config.reading import Place, Reading, Unfit, source_of


def reading(**sources: str) -> Reading:
    return Reading(Path("/data"), sources)


def test_places_are_named_as_in_the_file() -> None:
    place = Place("", reading()).below("listeners").item(0).below("port")
    assert place.key == "listeners[0].port"


def test_a_problem_names_the_nearest_source() -> None:
    sources = {"listeners": "a.yaml line 2", "listeners[0]": "a.yaml line 3"}
    assert source_of("listeners[0].port", sources) == "a.yaml line 3"
    assert source_of("listeners[1].port", sources) == "a.yaml line 2"
    assert source_of("server_name", sources) == ""


def test_a_refusal_repeats_the_value() -> None:
    here = Place("port", reading(port="a.yaml line 1"))
    here.refuse(Unfit("must be a number"), ["x"])
    assert here.reading.problems == ['a.yaml line 1: port must be a number, not ["x"]']


def test_a_long_value_is_cut() -> None:
    here = Place("port", reading())
    here.refuse(Unfit("must be a number"), "x" * 1000)
    assert len(here.reading.problems[0]) < 100


def test_a_secret_is_not_repeated() -> None:
    here = Place("", reading()).below("form_secret", secret=True)
    here.refuse(Unfit("must be text"), 271828)
    here.refuse(Unfit("must be text", quote=False), 271828)
    assert here.reading.problems == ["form_secret must be text"] * 2
