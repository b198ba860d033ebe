from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from config import kinds
from config.kinds import Kind
from config.reading import Place, Reading, Unfit

PLACE = Place("key", Reading(Path("/data"), {}))

DURATION = Kind("a duration", kinds.parse_duration, kinds.show_duration)
SIZE = Kind("a size", kinds.parse_size, kinds.show_size)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (300, timedelta(milliseconds=300)),
        ("300", timedelta(milliseconds=300)),
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("12h", timedelta(hours=12)),
        ("1d", timedelta(days=1)),
        ("2w", timedelta(weeks=2)),
        ("1y", timedelta(days=365)),
    ],
)
def test_durations_have_units_or_are_milliseconds(written: Any, meant: timedelta) -> None:
    assert DURATION.parse(written, PLACE) == meant


@pytest.mark.parametrize("written", ["5 m", "m", "1.5h", -1, True, "1M", "9999999999y", [5], None])
def test_other_durations_are_refused(written: Any) -> None:
    with pytest.raises(Unfit):
        DURATION.parse(written, PLACE)


@pytest.mark.parametrize("shown", ["1d", "36h", "5m", "90s", 1500, 1, "0d"])
def test_durations_are_shown_as_they_can_be_written(shown: str | int) -> None:
    assert DURATION.show(DURATION.parse(shown, PLACE)) == shown


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (512, 512),
        ("512", 512),
        ("1K", 1024),
        ("50M", 50 * 1024**2),
        ("87KiB", 87 * 1024),
        ("2G", 2 * 1024**3),
    ],
)
def test_sizes_have_units_or_are_bytes(written: Any, meant: int) -> None:
    assert SIZE.parse(written, PLACE) == meant


@pytest.mark.parametrize("written", ["50MB", "50 M", "1.5G", -1, False, "M", {}])
def test_other_sizes_are_refused(written: Any) -> None:
    with pytest.raises(Unfit):
        SIZE.parse(written, PLACE)


@pytest.mark.parametrize("shown", [0, 1, 1025, "1K", "50M", "3G", "2T"])
def test_sizes_are_shown_as_they_can_be_written(shown: str | int) -> None:
    assert SIZE.show(SIZE.parse(shown, PLACE)) == shown


@pytest.mark.parametrize(("written", "meant"), [(3, 3.0), (0.5, 0.5), ("1e6", 1e6), ("-2.5E+1", -25.0)])
def test_numbers_may_have_exponents(written: Any, meant: float) -> None:
    assert kinds.FLOAT.parse(written, PLACE) == meant


@pytest.mark.parametrize("written", ["3", True, float("nan"), None, "e6"])
def test_other_numbers_are_refused(written: Any) -> None:
    with pytest.raises(Unfit):
        kinds.FLOAT.parse(written, PLACE)


def test_whole_numbers_may_be_written_as_floats() -> None:
    assert kinds.INT.parse(10.0, PLACE) == 10


@pytest.mark.parametrize("written", [10.5, True, "10", float("inf"), None])
def test_other_whole_numbers_are_refused(written: Any) -> None:
    with pytest.raises(Unfit):
        kinds.INT.parse(written, PLACE)


@pytest.mark.parametrize("written", [0, 1, "true", None])
def test_only_booleans_are_booleans(written: Any) -> None:
    with pytest.raises(Unfit, match="true or false"):
        kinds.BOOL.parse(written, PLACE)


def test_text_that_yaml_took_for_a_number_is_refused() -> None:
    with pytest.raises(Unfit, match="quotes"):
        kinds.TEXT.parse(123, PLACE)


def test_choices_understand_what_yaml_makes_of_words() -> None:
    # A bare `off` is false in YAML 1.1, and a bare 12 a number.
    assert kinds.choice("all", "off").parse(False, PLACE) == "off"
    assert kinds.choice("11", "12").parse(12, PLACE) == "12"
    assert kinds.choice(True, False, "untracked").parse(False, PLACE) is False


@pytest.mark.parametrize("written", ["none", True, 13, None, ["all"]])
def test_other_choices_are_refused(written: Any) -> None:
    with pytest.raises(Unfit, match="one of all, off"):
        kinds.choice("all", "off").parse(written, PLACE)


def test_relative_paths_start_in_the_data_directory() -> None:
    assert kinds.parse_path("tls/key.pem", PLACE) == Path("/data/tls/key.pem")
    assert kinds.parse_path("/etc/key.pem", PLACE) == Path("/etc/key.pem")


@pytest.mark.parametrize("written", ["", 5, None])
def test_other_paths_are_refused(written: Any) -> None:
    with pytest.raises(Unfit):
        kinds.parse_path(written, PLACE)


def test_networks_may_be_single_addresses_and_have_host_bits() -> None:
    assert kinds.parse_network("10.1.2.3/8", PLACE) == ip_network("10.0.0.0/8")
    assert kinds.parse_network("::1", PLACE) == ip_network("::1/128")


@pytest.mark.parametrize("written", ["10.0.0.0/33", "example.org", 10, ""])
def test_other_networks_are_refused(written: Any) -> None:
    with pytest.raises(Unfit):
        kinds.parse_network(written, PLACE)


def test_base_urls_end_with_a_slash() -> None:
    assert kinds.parse_base_url("https://example.org/matrix", PLACE) == "https://example.org/matrix/"
    assert kinds.parse_base_url("http://localhost:8008/", PLACE) == "http://localhost:8008/"


@pytest.mark.parametrize(
    "written", ["example.org", "ftp://example.org", "https://", "https://[", "https://a/?b"]
)
def test_other_base_urls_are_refused(written: str) -> None:
    with pytest.raises(Unfit):
        kinds.parse_base_url(written, PLACE)


def test_every_unfit_item_of_a_list_is_told() -> None:
    reading = Reading(Path("/data"), {})
    kinds.listed(kinds.INT).parse([1, "b", 3, "d"], Place("numbers", reading))
    assert reading.problems == [
        'numbers[1] must be a whole number, not "b"',
        'numbers[3] must be a whole number, not "d"',
    ]
