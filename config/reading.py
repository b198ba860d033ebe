"""One reading of the settings: where it stands, and what it found wrong or odd on the way."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LONGEST_QUOTE = 60


class Unfit(Exception):
    """A value that a setting cannot take. The text goes on after the setting's key: "must be a number"."""

    def __init__(self, text: str, *, quote: bool = True) -> None:
        """`quote` lets the value be repeated to the operator; never so for what may hold a secret."""
        super().__init__(text)
        self.quote = quote


class Incomplete(Exception):
    """Parts of a value were unfit and are already noted, so there is no value to go on with."""


@dataclass(slots=True)
class Reading:
    """What all places of one reading share."""

    data_dir: Path
    """Absolute; relative paths start here."""
    sources: Mapping[str, str]
    """For each key that was given, the file and line, variable or option that gave it."""
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    """Keys of Synapse's that were given and have no effect."""


@dataclass(frozen=True, slots=True)
class Place:
    """A key while it is read, such as `listeners[0].port`; the outermost place has none."""

    key: str
    reading: Reading
    secret: bool = False

    def below(self, key: str, *, secret: bool = False) -> "Place":
        return Place(f"{self.key}.{key}" if self.key else key, self.reading, secret)

    def item(self, index: int) -> "Place":
        return Place(f"{self.key}[{index}]", self.reading)

    def refuse(self, unfit: Unfit, value: Any) -> None:
        quoted = f", not {_quote(value)}" if unfit.quote and not self.secret else ""
        self.problem(f"{self.key} {unfit}{quoted}")

    def problem(self, sentence: str) -> None:
        self.reading.problems.append(self._located(sentence))

    def warn(self, sentence: str) -> None:
        self.reading.warnings.append(self._located(sentence))

    def _located(self, sentence: str) -> str:
        source = source_of(self.key, self.reading.sources)
        return f"{source}: {sentence}" if source else sentence


def source_of(key: str, sources: Mapping[str, str]) -> str:
    """Where `key`, or the nearest key around it, was given; empty if it was not."""
    while key and key not in sources:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return sources.get(key, "")


def _quote(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
