"""Where settings come from: files, then environment variables, then options of the command line."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from config.errors import ConfigError
from config.schema import nearest, unknown

# PyYAML can be built without libyaml; its own parser is slower and otherwise the same.
_Loader: type[yaml.CSafeLoader] | type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

PREFIX = "FOLKMOOT_"

KeyPath = tuple[str, ...]


@dataclass(slots=True)
class Layer:
    """The settings of one source, and where in it each was found."""

    values: dict[KeyPath, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Gathered:
    """What all sources say together."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, layer: Layer, twins: Mapping[str, Collection[str]]) -> None:
        """Lays `layer` over what is there. `twins` are the other names of a setting, which give way to it."""
        for path in layer.values:
            for twin in twins.get(".".join(path), ()):
                self._remove(tuple(twin.split(".")))
        for path, value in layer.values.items():
            self._put(path, value, layer.sources.get(".".join(path), ""))
        self.sources.update(layer.sources)

    def _remove(self, path: KeyPath) -> None:
        branch = self._branch(path)
        if branch is not None:
            branch.pop(path[-1], None)
            self._forget(path)

    def _put(self, path: KeyPath, value: Any, source: str) -> None:
        branch = self._branch(path)
        if branch is None:
            self.problems.append(f"{source}: what was given before is no mapping; give all of {path[0]} here")
        else:
            branch[path[-1]] = value
            self._forget(path)

    def _branch(self, path: KeyPath) -> dict[str, Any] | None:
        """The mapping that holds the last key of `path`; None where something else stands in the way."""
        branch = self.values
        for group in path[:-1]:
            below = branch.get(group)
            if below is not None and not isinstance(below, dict):
                return None
            # A copy, because anchors may share the mapping with another key.
            branch[group] = dict(below or {})
            branch = branch[group]
        return branch

    def _forget(self, path: KeyPath) -> None:
        key = ".".join(path)
        for known in [
            known for known in self.sources if known == key or known.startswith((f"{key}.", f"{key}["))
        ]:
            del self.sources[known]


def gather(
    files: Sequence[Path],
    environ: Mapping[str, str],
    overrides: Sequence[str],
    *,
    known: Collection[str],
    twins: Mapping[str, Collection[str]],
) -> Gathered:
    """Reads all sources. `known` are the keys at the top of a file.

    Raises ConfigError where a source cannot be read at all.
    """
    gathered = Gathered()
    for file in _expand(files):
        gathered.add(_read_file(file, gathered.warnings), twins)
    gathered.add(_read_environment(environ, known, gathered), twins)
    gathered.add(_read_overrides(overrides), twins)
    return gathered


def _expand(files: Iterable[Path]) -> Iterator[Path]:
    """A directory stands for its YAML files in the order of their names."""
    for file in files:
        if file.is_dir():
            yield from sorted(file.glob("*.yaml"))
        else:
            yield file


def _read_file(file: Path, warnings: list[str]) -> Layer:
    layer = Layer()
    try:
        loader = _Loader(file.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        values = None if node is None else loader.construct_document(node)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}; check the path given with -c") from error
    except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
        raise ConfigError(f"{file} is not UTF-8 text; save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{file} line {line}: not YAML: {error.problem}; correct this line") from error
    if values is None:
        return layer
    if not isinstance(values, dict):
        raise ConfigError(f"{file} must hold settings, one a line, such as `server_name: example.org`")
    layer.values = {(str(key),): value for key, value in values.items()}
    for key, line, again in _lines(node, "", set()):
        source = f"{file} line {line}"
        if again:
            warnings.append(f"{source}: {key} was given before, and this one counts")
        layer.sources[key] = source
    return layer


def _lines(node: yaml.Node | None, key: str, seen: set[int]) -> Iterator[tuple[str, int, bool]]:
    """Each key at and below `node` with its line, and whether its mapping had it already."""
    # An anchor is followed once: it may contain itself.
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        names = set()
        for name, value in node.value:
            below = f"{key}.{name.value}" if key else str(name.value)
            yield below, name.start_mark.line + 1, name.value in names
            names.add(name.value)
            yield from _lines(value, below, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield f"{key}[{index}]", item.start_mark.line + 1, False
            yield from _lines(item, f"{key}[{index}]", seen)


def _read_environment(environ: Mapping[str, str], known: Collection[str], gathered: Gathered) -> Layer:
    layer = Layer()
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if path[0] in known:
            source = f"environment variable {name}"
            layer.values[path] = _parse(environ[name], source)
            layer.sources[".".join(path)] = source
        elif nearest(path[0], known, likeness=0.8):
            gathered.problems.append(f"environment variable {name}: {unknown(path[0], known)}")
        else:
            # Not an error: container platforms set variables such as FOLKMOOT_PORT for services of our name.
            gathered.warnings.append(f"environment variable {name} is ignored: there is no setting {path[0]}")
    return layer


def _read_overrides(overrides: Sequence[str]) -> Layer:
    layer = Layer()
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip()
        if not equals or not key:
            raise ConfigError(f"-o {override}: write it as -o key=value, such as -o rc_message.per_second=5")
        # Only the key, as the value may be a secret.
        source = f"-o {key}"
        layer.values[tuple(key.split("."))] = _parse(text, source)
        layer.sources[key] = source
    return layer


def _parse(text: str, source: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: the value is not YAML; put it in quotes") from error
