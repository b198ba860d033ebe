"""From an operator's files, environment and options to a Config."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.errors import ConfigError
from config.reading import Incomplete, Place, Reading
from config.root import Config
from config.schema import all_settings, check_keys, key_tree, read_settings, sections_of
from config.sources import Gathered, gather
from config.synapse_keys import UNUSED


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings that are fit to start with, and what an operator should know about them."""

    config: Config
    unused: tuple[str, ...]
    """Keys of Synapse's that were given and have no effect here."""
    warnings: tuple[str, ...]
    """Everything odd, in sentences; one of them names the unused keys."""
    sources: Mapping[str, str]
    """For each key that was given, the file and line, environment variable or option that counted."""


def load(
    files: Sequence[Path], *, data_dir: Path, environ: Mapping[str, str], overrides: Sequence[str]
) -> Loaded:
    """Reads settings; what comes later counts: files in their order, `environ`, then `overrides`.

    A file that gives a key at its top replaces the whole of what earlier files gave. `environ` and
    `overrides` have YAML values and reach into mappings: FOLKMOOT_RC_MESSAGE__PER_SECOND=5 and
    `rc_message.per_second=5` leave `rc_message.burst_count` alone.

    Raises ConfigError with everything that is wrong, one problem a line.
    """
    settings = all_settings(Config)
    tree = key_tree(settings, UNUSED)
    twins = {
        key: set(setting.keys) - {key}
        for setting in settings
        if len(setting.keys) > 1
        for key in setting.keys
    }
    gathered = gather(files, environ, overrides, known=tree, twins=twins)
    reading = Reading(data_dir.absolute(), gathered.sources, gathered.problems, gathered.warnings)
    check_keys(gathered.values, tree, Place("", reading))
    config = _read_config(gathered, reading)
    unused = tuple(sorted(reading.unused))
    if unused:
        reading.warnings.append(f"these settings have no effect yet: {', '.join(unused)}")
    return Loaded(config, unused, tuple(reading.warnings), gathered.sources)


def _read_config(gathered: Gathered, reading: Reading) -> Config:
    place = Place("", reading)
    parts: dict[str, Any] = {"data_dir": reading.data_dir}
    for name, (_, cls) in sections_of(Config).items():
        # What is wrong is noted, and the other sections may hold more of it.
        with suppress(Incomplete):
            parts[name] = cls(**read_settings(cls, gathered.values, place))
    with suppress(Incomplete):
        parts.update(read_settings(Config, gathered.values, place))
    _refuse(reading.problems)
    config = Config(**parts)
    _refuse([*config.conflicts()])
    return config


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise ConfigError("\n".join(problems))
