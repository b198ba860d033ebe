"""Settings as text: the reference of all of them, and those in force."""

from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields
from inspect import cleandoc
from itertools import chain
from typing import Any

import yaml

from config.kinds import Hidden
from config.root import Config
from config.schema import Setting, nest, sections_of, settings_of, shown
from config.synapse_keys import UNUSED

_INTRODUCTION = """
# Configuration

This page is made by `folkmoot config docs` from the declarations in `config/`.

Settings are YAML (or JSON) in files given with `-c`; without `-c`, in `homeserver.yaml` in the data
directory. Only `server_name` is required. Names and meanings are Synapse's wherever Synapse has the setting.

What comes later counts:

1. the defaults below;
2. files, in their order (a directory stands for its `*.yaml` files); a key at the top of a file replaces the
   whole of what an earlier file gave for it;
3. environment variables: `FOLKMOOT_` and the key in capitals, with two underscores for each dot. For example,
   `FOLKMOOT_RC_MESSAGE__PER_SECOND=5` sets `rc_message.per_second`;
4. options of the command line, such as `-o rc_message.per_second=5`.

The values of environment variables and options are YAML: text that looks like something else needs quotes,
lists and mappings look like `[a, b]` and `{a: 1, b: 2}`.

- *Relative paths* start in the data directory.
- *Durations* are numbers with a unit (`s`, `m`, `h`, `d`, `w`, `y`), such as `5m`, or plain milliseconds.
- *Sizes* are numbers with a unit (`K`, `M`, `G`, `T`: powers of 1024), such as `50M`, or plain bytes.
- *Secrets* can be kept in files of their own, named by `<key>_path`; space around the secret is ignored.
- A key without a value, as in `key:`, means that nothing is set.

`folkmoot config check` tries a configuration, `folkmoot config show` prints the settings in force.
"""

_UNUSED_INTRODUCTION = """
## Settings of Synapse without effect

Known, so that Synapse's files can be used, but nothing obeys them yet. The server names them in its log when
it starts, and `folkmoot config check` counts them as errors.
"""


def render_docs() -> str:
    """The reference of all settings, in Markdown."""
    sections = sections_of(Config)
    own = {setting.name: setting for setting in settings_of(Config)}
    blocks = [_INTRODUCTION.strip()]
    for field in fields(Config):
        if field.name in sections:
            section, cls = sections[field.name]
            blocks += [f"## {section.title}", _description(cls), *_tables(settings_of(cls))]
        elif field.name in own:
            setting = own[field.name]
            blocks += [f"## {field.name.replace('_', ' ').capitalize()}", *_tables([setting])]
    blocks += [_UNUSED_INTRODUCTION.strip(), ", ".join(f"`{key}`" for key in sorted(UNUSED)) + "."]
    return "\n\n".join(blocks) + "\n"


def _tables(settings: Iterable[Setting]) -> Iterator[str]:
    """A table of the settings, and one for each kind of mapping in their values."""
    settings = list(settings)
    yield _table(settings)
    for shape in dict.fromkeys(chain.from_iterable(map(_shapes, settings))):
        title, _, rest = _description(shape).partition("\n\n")
        yield f"### {title.removesuffix('.')}"
        if rest:
            yield rest
        yield _table(settings_of(shape))


def _shapes(setting: Setting) -> Iterator[type]:
    for shape in setting.kind.shapes:
        yield shape
        for part in settings_of(shape):
            yield from _shapes(part)


def _table(settings: Iterable[Setting]) -> str:
    return "\n".join(["| Setting | Value | Default | Meaning |", "|---|---|---|---|", *map(_row, settings)])


def _row(setting: Setting) -> str:
    cells = (f"`{setting.key}`", _value(setting), _default(setting), _meaning(setting))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _value(setting: Setting) -> str:
    option, show = setting.option, setting.kind.show
    lower = "" if option.minimum is None else f", at least `{_flow(show(option.minimum))}`"
    upper = "" if option.maximum is None else f", at most `{_flow(show(option.maximum))}`"
    null = ", or null" if setting.kind.nullable else ""
    return f"{setting.kind.expects}{lower}{upper}{null}"


def _default(setting: Setting) -> str:
    if setting.option.default_text:
        return setting.option.default_text
    assert setting.default is not MISSING, "a setting without default describes it"
    return "" if setting.default is None else f"`{_flow(setting.kind.show(setting.default))}`"


def _meaning(setting: Setting) -> str:
    secret = f" Or `{setting.path_key}`." if setting.option.secret else ""
    aliases = "".join(f" Also called `{alias}`." for alias in setting.option.aliases)
    return f"{setting.option.help}{secret}{aliases}"


def _description(cls: type) -> str:
    return cleandoc(cls.__doc__ or "")


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("...\n").strip()


def render_effective(config: Config, *, reveal: bool = False) -> str:
    """All settings in force as YAML that `load` accepts, with secrets only if `reveal`."""
    own = dict(shown(config))
    pairs: list[tuple[str, Any]] = []
    for field in fields(config):
        if field.name in own:
            pairs.append((field.name, own[field.name]))
        elif field.name in sections_of(Config):
            pairs += shown(getattr(config, field.name))
    plain = _plain(nest(pairs), reveal)
    text: str = yaml.safe_dump(plain, default_flow_style=None, sort_keys=False, allow_unicode=True, width=110)
    return text


def _plain(value: Any, reveal: bool) -> Any:
    match value:
        case Hidden():
            return str(value) if reveal else "<hidden>"
        case dict():
            return {key: _plain(item, reveal) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, reveal) for item in value]
        case _:
            return value
