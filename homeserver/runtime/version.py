"""Which Folkmoot this is."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def program_version() -> str:
    """Such as "0.1.0"; "unknown" where it runs from a checkout that is not installed."""
    try:
        return version("folkmoot")
    except PackageNotFoundError:
        return "unknown"
