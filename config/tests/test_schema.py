from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from config.kinds import Secret
from config.option import option, required, written
from config.reading import Incomplete, Place, Reading
from config.schema import nearest, read_record, settings_of, show_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A pace."""

    steps: int = option(1, "Steps.", minimum=1, maximum=9)
    unit: Literal["day", "hour"] = option("day", "Unit.", key="per")


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A walk."""

    name: str = required("Name.")
    slow: Pace = option(Pace(steps=2, unit="hour"), "Slow.", key="pace.slow")
    rest: Pace | None = option(None, "Rest.", key="pace.rest")
    stops: tuple[str, ...] = option(("inn",), "Stops.", aliases=("halts",))
    password: Secret = option(None, "Password.", secret=True)
    notes: Mapping[str, Any] = option({}, "Notes.")
    goal: str = written("home", "Goal.")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("", Reading(tmp_path, {}))


def walk(place: Place, **values: Any) -> Walk:
    return read_record(Walk, {"name": "W", **values}, place)


def problems(place: Place, values: Any) -> list[str]:
    with pytest.raises(Incomplete):
        read_record(Walk, values, place)
    return place.reading.problems


def test_defaults(place: Place) -> None:
    plain = walk(place)
    assert plain == Walk(name="W", goal="home")
    assert plain.slow.steps == 2


def test_a_part_of_a_mapping_leaves_the_default_of_the_others(place: Place) -> None:
    assert walk(place, pace={"slow": {"steps": 3}}).slow == Pace(steps=3, unit="hour")


def test_without_a_default_the_parts_have_their_own(place: Place) -> None:
    assert walk(place, pace={"rest": {"steps": 3}}).rest == Pace(steps=3, unit="day")


def test_null_means_that_nothing_is_set(place: Place) -> None:
    assert walk(place, stops=None, pace=None, notes=None, password=None) == walk(place)


def test_an_alias_sets_the_same_setting(place: Place) -> None:
    assert walk(place, halts=["a"]).stops == ("a",)


def test_a_setting_and_its_alias_exclude_each_other(place: Place) -> None:
    assert problems(place, {"name": "W", "stops": [], "halts": []}) == [
        "stops and halts are one setting given twice; keep one of them"
    ]


def test_a_setting_may_be_null_beside_its_alias(place: Place) -> None:
    assert walk(place, stops=None, halts=["a"]).stops == ("a",)


def test_a_required_setting_is_asked_for(place: Place) -> None:
    assert problems(place, {}) == ["name is needed"]


def test_bounds(place: Place) -> None:
    values = {"name": "W", "pace": {"slow": {"steps": 0}, "rest": {"steps": 10}}}
    assert problems(place, values) == [
        "pace.slow.steps must be at least 1, not 0",
        "pace.rest.steps must be at most 9, not 10",
    ]


def test_all_problems_are_told_at_once(place: Place) -> None:
    values = {"nam": "W", "stops": "inn", "pace": {"slow": {"per": "week", "step": 1}, "rest": 5}}
    assert problems(place, values) == [
        "there is no setting nam; did you mean name?",
        "name is needed",
        "there is no setting pace.slow.step; did you mean pace.slow.steps?",
        'pace.slow.per must be one of day, hour, not "week"',
        "pace.rest must be a mapping, not 5",
        'stops must be a list, not "inn"',
    ]


def test_a_key_above_settings_must_be_a_mapping(place: Place) -> None:
    with pytest.raises(Incomplete):
        read_record(Walk, {"pace": "slow"}, place)
    assert place.reading.problems[0] == 'pace must be a mapping of slow, rest, not "slow"'


def test_a_key_like_no_other_is_refused_without_a_guess(place: Place) -> None:
    walk(place, xyzzy=1)
    assert place.reading.problems == ["there is no setting xyzzy; `folkmoot config docs` lists them all"]


def test_known_keys_without_effect_are_collected(place: Place) -> None:
    read_record(Walk, {"name": "W", "shoes": 2, "pace": {"brisk": 1}}, place, unused=("shoes", "pace.brisk"))
    assert place.reading.unused == ["shoes", "pace.brisk"]
    assert not place.reading.problems


def test_a_secret_from_a_file_loses_the_space_around_it(place: Place) -> None:
    (place.reading.data_dir / "pw").write_text("\n s3 cret \n")
    assert walk(place, password_path="pw").password == "s3 cret"


def test_a_secret_and_its_file_exclude_each_other(place: Place) -> None:
    assert problems(place, {"name": "W", "password": "x", "password_path": "pw"}) == [
        "password and password_path are one setting given twice; keep one of them"
    ]


def test_an_absent_secret_file(place: Place) -> None:
    path = place.reading.data_dir / "pw"
    assert problems(place, {"name": "W", "password_path": "pw"}) == [
        f"password_path names {path}, which cannot be read: No such file or directory"
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b" \n", "which is empty; write the secret into it"), (b"\xff", "which cannot be read: it is not text")],
)
def test_a_useless_secret_file(place: Place, content: bytes, reason: str) -> None:
    path = place.reading.data_dir / "pw"
    path.write_bytes(content)
    assert problems(place, {"name": "W", "password_path": "pw"}) == [f"password_path names {path}, {reason}"]


def test_an_empty_secret_is_none(place: Place) -> None:
    assert walk(place, password="").password is None


def test_secrets_are_in_no_repr() -> None:
    assert "hush" not in repr(Walk(name="W", goal="x", password="hush"))


def test_shown_settings_can_be_read_again(place: Place) -> None:
    original = walk(place, pace={"rest": {"steps": 9}}, stops=["a", "b"], password="hush", notes={"a": 1})
    assert read_record(Walk, show_settings(original), place) == original


def test_settings_know_all_their_names() -> None:
    names = {setting.name: setting.keys for setting in settings_of(Walk)}
    assert names["stops"] == ("stops", "halts")
    assert names["password"] == ("password", "password_path")


def test_nearest() -> None:
    assert nearest("rc_mesage", ["rc_message", "rc_login"]) == "rc_message"
    assert nearest("rc_mesage", ["listeners"]) is None
