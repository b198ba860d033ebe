"""From declared settings to values and back."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from config import kinds
from config.kinds import Kind, read
from config.option import METADATA, Option, Section
from config.reading import Incomplete, Place, Unfit

T = TypeVar("T")

_PLAIN: dict[Any, Kind[Any]] = {
    bool: kinds.BOOL,
    str: kinds.TEXT,
    int: kinds.INT,
    float: kinds.FLOAT,
    Mapping[str, Any]: kinds.MAPPING,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting of a dataclass."""

    name: str
    key: str
    kind: Kind[Any]
    option: Option
    default: Any
    """MISSING where it is required."""

    @property
    def path_key(self) -> str:
        """Names a file that holds the value, for secrets."""
        return f"{self.key}_path"

    @property
    def keys(self) -> tuple[str, ...]:
        """All names under which an operator may give this setting."""
        secret = (self.path_key,) if self.option.secret else ()
        return (self.key, *self.option.aliases, *secret)


def settings_of(cls: type) -> tuple[Setting, ...]:
    """The settings declared by the dataclass itself, without those of its sections."""
    return tuple(
        _setting(field, field.metadata[METADATA])
        for field in fields(cls)
        if isinstance(field.metadata.get(METADATA), Option)
    )


def sections_of(cls: type) -> dict[str, tuple[Section, type]]:
    """The sections of the root, by the name of their field."""
    return {
        field.name: (field.metadata[METADATA], _class_of(field))
        for field in fields(cls)
        if isinstance(field.metadata.get(METADATA), Section)
    }


def all_settings(cls: type) -> tuple[Setting, ...]:
    """The settings of the root and of its sections."""
    sections = (settings_of(section) for _, section in sections_of(cls).values())
    return sum(sections, settings_of(cls))


def _setting(field: "Field[Any]", option: Option) -> Setting:
    default = MISSING if field.default_factory is MISSING else field.default_factory()
    return Setting(field.name, option.key or field.name, kind_of(field.type, default), option, default)


def _class_of(field: "Field[Any]") -> type:
    assert isinstance(field.type, type), "a section's annotation is its class"
    return field.type


def kind_of(annotation: Any, default: Any = None) -> Kind[Any]:
    """How values of an annotation are read; parts that a mapping leaves out are those of `default`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if origin is Annotated:
        return next(argument for argument in arguments if isinstance(argument, Kind))
    if origin is Literal:
        return kinds.choice(*arguments)
    if origin in (Union, UnionType):
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return kinds.optional(kind_of(inner, default))
    if origin is tuple:
        return kinds.listed(kind_of(arguments[0]))
    assert is_dataclass(annotation), f"no kind of value for {annotation}"
    return record(annotation, default)


def record(cls: Any, default: Any = None) -> Kind[Any]:
    """A mapping that becomes an instance of the dataclass `cls`; parts left out are those of `default`."""
    written = ", ".join(f"`{setting.key}`" for setting in settings_of(cls))
    return Kind(
        f"a mapping of {written}",
        lambda value, place: read_record(cls, value, place, default),
        show_settings,
        (cls,),
    )


def read_record(
    cls: type[T], value: Any, place: Place, default: T | None = None, unused: Collection[str] = ()
) -> T:
    """Reads a mapping whose keys are the settings of `cls`; `unused` names keys that are known and ignored.

    Raises Incomplete where a part was refused, and Unfit where it is no mapping.
    """
    if not isinstance(value, dict):
        raise Unfit("must be a mapping")
    check_keys(value, key_tree(settings_of(cls), unused), place)
    kept = (
        {}
        if default is None
        else {setting.name: getattr(default, setting.name) for setting in settings_of(cls)}
    )
    return cls(**{**kept, **read_settings(cls, value, place)})


def read_settings(cls: type, values: Mapping[Any, Any], place: Place) -> dict[str, Any]:
    """The settings of `cls` that `values` gives, by the names of their fields.

    Raises Incomplete after noting everything that was refused.
    """
    found, incomplete = {}, False
    for setting in settings_of(cls):
        try:
            found.update(_read_setting(setting, values, place))
        except Incomplete:
            incomplete = True
    if incomplete:
        raise Incomplete
    return found


def _read_setting(setting: Setting, values: Mapping[Any, Any], place: Place) -> dict[str, Any]:
    given = {key: value for key in setting.keys for value in _lookup(values, key)}
    # An empty line of YAML, `key:`, is null.
    filled = {key: value for key, value in given.items() if value is not None}
    if len(filled) > 1:
        last = place.below(list(filled)[-1])
        last.problem(f"{' and '.join(filled)} are one setting given twice; keep one of them")
        raise Incomplete
    for key, value in filled.items():
        below = place.below(key, secret=setting.option.secret)
        if setting.option.secret and key == setting.path_key:
            return {setting.name: kinds.read_secret_file(value, below)}
        return {setting.name: _bounded(setting, value, below)}
    if given and setting.kind.nullable:
        return {setting.name: None}
    if setting.option.written is not None:
        return {setting.name: read(setting.kind, setting.option.written, place.below(setting.key))}
    if setting.default is MISSING:
        place.problem(setting.option.missing or f"{place.below(setting.key).key} is needed")
        raise Incomplete
    return {}


def _lookup(values: Any, key: str) -> Iterator[Any]:
    for part in key.split("."):
        if not isinstance(values, Mapping) or part not in values:
            return
        values = values[part]
    yield values


def _bounded(setting: Setting, value: Any, place: Place) -> Any:
    parsed, option = read(setting.kind, value, place), setting.option
    if option.minimum is not None and parsed < option.minimum:
        unfit = Unfit(f"must be at least {setting.kind.show(option.minimum)}")
    elif option.maximum is not None and parsed > option.maximum:
        unfit = Unfit(f"must be at most {setting.kind.show(option.maximum)}")
    else:
        return parsed
    place.refuse(unfit, value)
    raise Incomplete


KeyTree = dict[str, Any]
"""Keys that are known: a KeyTree below a key that groups settings, else whether the key has an effect."""


def key_tree(settings: Collection[Setting], unused: Collection[str] = ()) -> KeyTree:
    effective = [(key, True) for setting in settings for key in setting.keys]
    return nest(effective + [(key, False) for key in unused])


def check_keys(values: Mapping[Any, Any], tree: KeyTree, place: Place) -> None:
    """Notes keys that nobody has as problems, and those without effect as unused."""
    for name, value in values.items():
        key = str(name)
        here, known = place.below(key), tree.get(key)
        if known is None:
            here.problem(unknown(here.key, [place.below(sibling).key for sibling in tree]))
        elif known is False:
            here.reading.unused.append(here.key)
        elif isinstance(known, dict) and value is not None:
            if isinstance(value, dict):
                check_keys(value, known, here)
            else:
                here.refuse(Unfit(f"must be a mapping of {', '.join(known)}"), value)


def unknown(key: str, known: Collection[str]) -> str:
    near = nearest(key, known)
    hint = f"did you mean {near}?" if near else "`folkmoot config docs` lists them all"
    return f"there is no setting {key}; {hint}"


def nearest(key: str, known: Collection[str], likeness: float = 0.6) -> str | None:
    """The known key that `key` is most likely a misspelling of; `likeness` is from 0 to 1."""
    return next(iter(get_close_matches(key, known, 1, likeness)), None)


def show_settings(instance: Any) -> dict[str, Any]:
    """The settings of a dataclass as `read_settings` would accept them; secrets are marked by `Hidden`."""
    return nest(shown(instance))


def shown(instance: Any) -> Iterator[tuple[str, Any]]:
    """The same by dotted keys."""
    for setting in settings_of(type(instance)):
        value = setting.kind.show(getattr(instance, setting.name))
        secret = setting.option.secret and value is not None
        yield setting.key, kinds.Hidden(value) if secret else value


def nest(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Mappings instead of dotted keys."""
    nested: dict[str, Any] = {}
    for key, value in values:
        *groups, last = key.split(".")
        branch = nested
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[last] = value
    return nested
