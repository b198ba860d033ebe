"""Kinds of values: how each is written in YAML, read and shown."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from math import isnan
from pathlib import Path
from typing import Annotated, Any, Generic, TypeAlias, TypeVar
from urllib.parse import urlsplit

from config.reading import Incomplete, Place, Unfit

T = TypeVar("T")


class Hidden(str):
    """A secret among values to be shown."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One kind of value.

    `parse` turns what YAML gave into a T, or raises Unfit or Incomplete; `show` turns a T back into what
    `parse` accepts. `shapes` are the dataclasses that describe the parts of a value, for the documentation.
    Unless a kind is `nullable`, null means that nothing is set.
    """

    expects: str
    parse: Callable[[Any, Place], T]
    show: Callable[[T], Any] = lambda value: value
    shapes: tuple[type, ...] = ()
    nullable: bool = False


def read(kind: Kind[T], value: Any, place: Place) -> T:
    """The parsed value; raises Incomplete once the reason is noted at `place`."""
    try:
        return kind.parse(value, place)
    except Unfit as unfit:
        place.refuse(unfit, value)
        raise Incomplete from unfit


def parse_bool(value: Any, _: Place) -> bool:
    if not isinstance(value, bool):
        raise Unfit("must be true or false")
    return value


def parse_text(value: Any, _: Place) -> str:
    if not isinstance(value, str):
        raise Unfit("must be text; put it in quotes if it looks like something else")
    return value


def parse_int(value: Any, _: Place) -> int:
    # Synapse's documentation writes some whole numbers as 10.0.
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise Unfit("must be a whole number")
    return int(value)


def parse_float(value: Any, _: Place) -> float:
    # 1e6 is a number in JSON but text in YAML 1.1, and a JSON file is welcome here.
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?[eE][+-]?\d+", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or isnan(value):
        raise Unfit("must be a number")
    return float(value)


def show_float(value: float) -> float:
    return int(value) if value == value // 1 else value


def parse_mapping(value: Any, _: Place) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unfit("must be a mapping")
    return {str(key): item for key, item in value.items()}


BOOL = Kind("true or false", parse_bool)
TEXT = Kind("text", parse_text)
INT = Kind("a whole number", parse_int)
FLOAT = Kind("a number", parse_float, show_float)
MAPPING: Kind[Mapping[str, Any]] = Kind("a mapping", parse_mapping, dict)


def optional(kind: Kind[T]) -> Kind[T | None]:
    return Kind(
        kind.expects,
        lambda value, place: None if value is None else kind.parse(value, place),
        lambda value: None if value is None else kind.show(value),
        kind.shapes,
        nullable=True,
    )


def choice(*values: Any) -> Kind[Any]:
    written = ", ".join(f"`{str(value).lower()}`" for value in values)

    def parse(value: Any, _: Place) -> Any:
        # YAML 1.1 reads a bare `off` as false, and a bare 12 as a number.
        if value is False and False not in values:
            value = "off"
        elif isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str | bool) or value not in values:
            raise Unfit(f"must be one of {written.replace('`', '')}")
        return value

    return Kind(f"one of {written}", parse)


def listed(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    def parse(value: Any, place: Place) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Unfit("must be a list")
        items = []
        for index, item in enumerate(value):
            try:
                items.append(read(kind, item, place.item(index)))
            except Incomplete:
                continue
        return tuple(items)

    return Kind(
        f"a list; each item {kind.expects}",
        parse,
        lambda value: [kind.show(item) for item in value],
        kind.shapes,
    )


_DURATION_UNITS = {
    "": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}


def parse_duration(value: Any, _: Place) -> timedelta:
    match = None if isinstance(value, bool) else re.fullmatch(r"(\d+)([smhdwy]?)", str(value))
    if match is None:
        raise Unfit("must be a duration such as 30s, 5m, 12h or 7d, or a number of milliseconds")
    try:
        return int(match[1]) * _DURATION_UNITS[match[2]]
    except OverflowError:
        raise Unfit("is a longer time than can be counted") from None


def show_duration(value: timedelta) -> str | int:
    for unit in "dhms":
        count, rest = divmod(value, _DURATION_UNITS[unit])
        if not rest:
            return f"{count}{unit}"
    return value // _DURATION_UNITS[""]


_SIZE_UNITS = {"T": 1024**4, "G": 1024**3, "M": 1024**2, "K": 1024, "": 1}


def parse_size(value: Any, _: Place) -> int:
    match = None if isinstance(value, bool) else re.fullmatch(r"(\d+)(?:([KMGT])(?:iB)?)?", str(value))
    if match is None:
        raise Unfit("must be a size such as 512K, 50M or 2G, or a number of bytes")
    return int(match[1]) * _SIZE_UNITS[match[2] or ""]


def show_size(value: int) -> str | int:
    unit = next(unit for unit, size in _SIZE_UNITS.items() if value % size == 0) if value else ""
    return f"{value // _SIZE_UNITS[unit]}{unit}" if unit else value


def parse_path(value: Any, place: Place) -> Path:
    if not isinstance(value, str) or not value:
        raise Unfit("must be a path")
    return place.reading.data_dir / value


def parse_secret(value: Any, place: Place) -> str | None:
    # Empty means absent, as in Synapse: an empty secret would be known to everybody.
    return (None if value is None else parse_text(value, place)) or None


def read_secret_file(value: Any, place: Place) -> str:
    """The text of the file that `value` names, without the white space around it; raises Incomplete."""
    path = read(Kind("a path", parse_path), value, place)
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        place.problem(f"{place.key} names {path}, which cannot be read: {reason}")
        raise Incomplete from error
    if not secret:
        place.problem(f"{place.key} names {path}, which is empty; write the secret into it")
        raise Incomplete
    return secret


def parse_network(value: Any, place: Place) -> IPv4Network | IPv6Network:
    try:
        return ip_network(parse_text(value, place), strict=False)
    except ValueError:
        raise Unfit("must be an address or a range such as 10.0.0.0/8") from None


def parse_base_url(value: Any, place: Place) -> str:
    url = parse_text(value, place)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Unfit("must be a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Unfit("must be a URL that starts with http:// or https:// and a host")
    if parts.query or parts.fragment:
        raise Unfit("must have neither ? nor #")
    return url if url.endswith("/") else url + "/"


Duration: TypeAlias = Annotated[timedelta, Kind("a duration", parse_duration, show_duration)]
Size: TypeAlias = Annotated[int, Kind("a size", parse_size, show_size)]
"""Bytes."""
FilePath: TypeAlias = Annotated[Path, Kind("a path", parse_path, str)]
"""Absolute once read."""
Secret: TypeAlias = Annotated[str | None, Kind("text", parse_secret, nullable=True)]
Network: TypeAlias = Annotated[IPv4Network | IPv6Network, Kind("an address range", parse_network, str)]
BaseUrl: TypeAlias = Annotated[str, Kind("a URL", parse_base_url)]
"""Ends with a slash once read."""
