"""Declaring settings as fields of frozen dataclasses; parsing, checks and documentation follow from them."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

METADATA = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What is declared about one setting besides its name, type and default."""

    help: str
    key: str | None = None
    aliases: tuple[str, ...] = ()
    minimum: Any = None
    maximum: Any = None
    secret: bool = False
    default_text: str = ""
    missing: str = ""
    written: Any = None


@dataclass(frozen=True, slots=True)
class Section:
    """A field of the root whose own settings are written at the top of the file."""

    title: str


def option(
    default: T,
    help: str,
    *,
    key: str | None = None,
    aliases: tuple[str, ...] = (),
    minimum: Any = None,
    maximum: Any = None,
    secret: bool = False,
    default_text: str = "",
) -> T:
    """A setting.

    `key` is its name in the file if that is not the field's; dots lead into mappings. A `secret` may also be
    given as `<key>_path`, a file, and is hidden wherever settings are shown. `default_text` describes a
    default that is worked out from other settings.
    """
    declared = Option(
        help=help,
        key=key,
        aliases=aliases,
        minimum=minimum,
        maximum=maximum,
        secret=secret,
        default_text=default_text,
    )
    return field(default_factory=lambda: default, repr=not secret, metadata={METADATA: declared})


def required(help: str, *, missing: str = "", minimum: Any = None, maximum: Any = None) -> Any:
    """A setting without default. `missing` is what the operator reads when it is not given."""
    declared = Option(help=help, missing=missing, minimum=minimum, maximum=maximum, default_text="required")
    return field(metadata={METADATA: declared})


def written(default: Any, help: str) -> Any:
    """A setting whose default is read as if the operator had written it: it depends on the data directory."""
    return field(metadata={METADATA: Option(help=help, written=default, default_text=f"`{default}`")})


def section(title: str, default: type | None = None) -> Any:
    """A group of settings; `default` is its class where none of them is required."""
    metadata = {METADATA: Section(title)}
    return field(metadata=metadata) if default is None else field(default_factory=default, metadata=metadata)
