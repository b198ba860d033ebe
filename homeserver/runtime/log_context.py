"""What a log line is about: request, user, room. Follows coroutines; carried into threads by `runtime.threads`."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default={})  # noqa: B039 -- never mutated


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Adds `fields` to every log record made inside the block."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


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
