"""What a log line is about: request, user, room. Follows coroutines; carried into threads by `runtime.threads`."""

import logging
from collections.abc import Mapping
from contextvars import ContextVar

_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default={})  # noqa: B039 -- never mutated


class log_context:
    """Adds `fields` to every log record made inside the block."""

    # A class, because every request opens one, and a generator's context costs four times as much.
    __slots__ = ("_fields", "_token")

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        self._token = _context.set({**_context.get(), **self._fields})

    def __exit__(self, *_: object) -> None:
        _context.reset(self._token)


def add_to_log_context(**fields: str) -> None:
    """Adds `fields` until the surrounding `log_context` block ends."""
    _context.set({**_context.get(), **fields})


def current_log_context() -> Mapping[str, str]:
    return _context.get()


class LogContextFilter(logging.Filter):
    """Puts the context on each record, as the attribute `context`."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.context = _context.get()
        return True
