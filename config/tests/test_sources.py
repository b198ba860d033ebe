from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.sources import Gathered, gather

KNOWN = {"name", "secret", "secret_path", "pace", "stops"}
TWINS = {"secret": {"secret_path"}, "secret_path": {"secret"}}


def gathered(
    *files: Path, environ: Mapping[str, str] | None = None, overrides: Sequence[str] = ()
) -> Gathered:
    return gather(files, environ or {}, overrides, known=KNOWN, twins=TWINS)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def refusal(*files: Path, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as refused:
        gathered(*files, overrides=overrides, environ=environ)
    return str(refused.value)


def test_later_files_replace_whole_keys(tmp_path: Path) -> None:
    first = written(tmp_path / "1.yaml", "name: A\npace: {slow: 1, fast: 2}\n")
    second = written(tmp_path / "2.yaml", "pace: {slow: 3}\n")
    assert gathered(first, second).values == {"name": "A", "pace": {"slow": 3}}


def test_a_directory_stands_for_its_yaml_files_in_order(tmp_path: Path) -> None:
    written(tmp_path / "b.yaml", "name: B\n")
    written(tmp_path / "a.yaml", "name: A\n")
    written(tmp_path / "c.txt", "name: C\n")
    assert gathered(tmp_path).values == {"name": "B"}


def test_json_is_yaml(tmp_path: Path) -> None:
    assert gathered(written(tmp_path / "a.json", '{"name": "A", "stops": ["x"]}')).values == {
        "name": "A",
        "stops": ["x"],
    }


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert gathered(written(tmp_path / "a.yaml", "# nothing\n")).values == {}


def test_environment_and_options_reach_into_mappings(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "pace: {slow: {steps: 1, unit: day}, fast: 2}\n")
    environ = {"FOLKMOOT_PACE__SLOW__STEPS": "5", "FOLKMOOT_STOPS": "[a, b]", "HOME": "/root"}
    assert gathered(file, environ=environ, overrides=["pace.fast=9"]).values == {
        "pace": {"slow": {"steps": 5, "unit": "day"}, "fast": 9},
        "stops": ["a", "b"],
    }


def test_options_count_more_than_environment_more_than_files(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "name: A\n")
    environ = {"FOLKMOOT_NAME": "B"}
    assert gathered(file, environ=environ).values == {"name": "B"}
    assert gathered(file, environ=environ, overrides=["name=C", "name=D"]).values == {"name": "D"}


def test_the_value_of_an_option_may_hold_an_equals_sign() -> None:
    assert gathered(overrides=["name=a=b"]).values == {"name": "a=b"}


def test_an_option_without_value_sets_nothing() -> None:
    assert gathered(overrides=["name="]).values == {"name": None}


def test_an_override_does_not_reach_other_users_of_an_anchor(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "pace: {slow: &x {steps: 1}, fast: *x}\n")
    assert gathered(file, overrides=["pace.slow.steps=2"]).values == {
        "pace": {"slow": {"steps": 2}, "fast": {"steps": 1}}
    }


def test_a_newer_name_of_a_setting_replaces_the_older(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "secret: abc\n")
    both = gathered(file, environ={"FOLKMOOT_SECRET_PATH": "/x"})
    assert both.values == {"secret_path": "/x"}
    assert both.sources == {"secret_path": "environment variable FOLKMOOT_SECRET_PATH"}


def test_both_names_of_a_setting_in_one_file_stay(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "secret: abc\nsecret_path: /x\n")
    assert gathered(file).values == {"secret": "abc", "secret_path": "/x"}


def test_overriding_a_part_of_what_has_no_parts(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "pace: quick\n")
    both = gathered(file, overrides=["pace.slow=1"])
    assert both.problems == ["-o pace.slow: what was given before is no mapping; give all of pace here"]


def test_sources_name_file_and_line(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "name: A\nstops:\n  - x\n  - at: y\npace:\n  slow: 1\n")
    assert gathered(file, overrides=["pace.fast=2"]).sources == {
        "name": f"{file} line 1",
        "stops": f"{file} line 2",
        "stops[0]": f"{file} line 3",
        "stops[1]": f"{file} line 4",
        "stops[1].at": f"{file} line 4",
        "pace": f"{file} line 5",
        "pace.slow": f"{file} line 6",
        "pace.fast": "-o pace.fast",
    }


def test_sources_forget_what_was_replaced(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "pace:\n  slow: 1\nstops: [x]\n")
    assert gathered(file, overrides=["pace={}", "stops=[]"]).sources == {
        "pace": "-o pace",
        "stops": "-o stops",
    }


def test_a_key_given_twice_is_warned_of(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "name: A\nstops: []\nname: B\n")
    both = gathered(file)
    assert both.values["name"] == "B"
    assert both.warnings == [f"{file} line 3: name was given before, and this one counts"]


def test_an_anchor_that_contains_itself_ends(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "pace: &x\n  slow: *x\n")
    assert gathered(file).sources == {"pace": f"{file} line 1", "pace.slow": f"{file} line 2"}


def test_a_misspelt_variable_is_a_problem() -> None:
    assert gathered(environ={"FOLKMOOT_STOP": "[]"}).problems == [
        "environment variable FOLKMOOT_STOP: there is no setting stop; did you mean stops?"
    ]


def test_a_strange_variable_is_ignored_with_a_warning() -> None:
    found = gathered(environ={"FOLKMOOT_PORT_8008_TCP": "tcp://10.0.0.1:8008"})
    assert (found.values, found.problems) == ({}, [])
    assert found.warnings == [
        "environment variable FOLKMOOT_PORT_8008_TCP is ignored: there is no setting port_8008_tcp"
    ]


def test_an_absent_file(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    assert refusal(file) == f"{file} cannot be read: No such file or directory; check the path given with -c"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"name: \xff\n")
    assert refusal(file) == f"{file} is not UTF-8 text; save it as UTF-8"


@pytest.mark.parametrize(
    "text", ["name: A\npace: {slow\n", "name: A\n\tpace: 1\n", "name: A\npace: !!python/x 1\n"]
)
def test_a_file_that_is_no_yaml(tmp_path: Path, text: str) -> None:
    message = refusal(written(tmp_path / "a.yaml", text))
    assert message.startswith(f"{tmp_path}/a.yaml line ")
    assert message.endswith("correct this line")


def test_a_file_of_control_characters(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", "name: \x00\n")
    assert refusal(file).startswith(f"{file} ")


@pytest.mark.parametrize("text", ["- name\n", "name\n", "5\n"])
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    file = written(tmp_path / "a.yaml", text)
    assert refusal(file) == f"{file} must hold settings, one a line, such as `server_name: example.org`"


@pytest.mark.parametrize("override", ["name", "=x", ""])
def test_an_option_without_key_and_value(override: str) -> None:
    message = refusal(overrides=[override])
    assert message == f"-o {override}: write it as -o key=value, such as -o rc_message.per_second=5"


def test_a_value_that_is_no_yaml_is_not_repeated() -> None:
    assert refusal(overrides=["secret={hush"]) == "-o secret: the value is not YAML; put it in quotes"
    assert refusal(environ={"FOLKMOOT_SECRET": "[hush"}) == (
        "environment variable FOLKMOOT_SECRET: the value is not YAML; put it in quotes"
    )
