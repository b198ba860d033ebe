"""Where the log goes and what its lines look like."""

import logging
import logging.config
import logging.handlers
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from twisted.logger import ILogObserver, STDLibLogObserver, globalLogBeginner

from config import ConfigError
from config.observability import Logging
from homeserver.protocol.json import encode_json
from homeserver.runtime.log_context import current_log_context

# Requests carry secrets in these places. No line of ours prints them; this is for those of libraries.
_SECRET = re.compile(
    r"""((?:access_token|login_token|refresh_token|password)["']?\s*[=:]\s*["']?|\bBearer\s+)[^\s"'&,}]+"""
    r"""|(://[^/\s:@]*:)[^/\s@]+(?=@)""",
    re.IGNORECASE,
)

# COMPAT(synapse): the class that a log configuration of Synapse's names, and what it stands for here.
_INSTEAD: Mapping[str, Mapping[str, Any]] = {
    # Every record has the context already.
    "synapse.logging.context.LoggingContextFilter": {"()": "logging.Filter"},
    "synapse.util.logcontext.LoggingContextFilter": {"()": "logging.Filter"},
    "synapse.logging.handlers.PeriodicallyFlushingHandler": {
        "class": "logging.handlers.MemoryHandler",
        "capacity": 1,
    },
    "synapse.logging.JsonFormatter": {"()": "homeserver.runtime.logs.JsonFormatter"},
    "synapse.logging.TerseJsonFormatter": {"()": "homeserver.runtime.logs.JsonFormatter"},
}


class ContextRecord(logging.LogRecord):
    """A record that knows its request, user and room, and hides secrets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context = current_log_context()
        # COMPAT(synapse): its log configurations print %(request)s.
        self.request = self.context.get("request", "-")

    def getMessage(self) -> str:
        return _SECRET.sub(r"\1\2<hidden>", super().getMessage())


class TextFormatter(logging.Formatter):
    """Lines for people: time, level, where from, context, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s [%(about)s] %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        record.about = " ".join(getattr(record, "context", {}).values()) or "-"
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """A JSON object a line for machines, with the context's fields at its top."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "context", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return encode_json(line).decode()


def set_up_logs(settings: Logging) -> None:
    """Directs the log as the operator wants it; may be called again, to open files anew after their rotation.

    Raises ConfigError where `log_config` is of no use.
    """
    logging.setLogRecordFactory(ContextRecord)
    if settings.config is None:
        _log_to_stderr(settings)
    else:
        _follow(settings.config)


def take_over_twisted_logs() -> None:
    """Sends what Twisted logs the same way. Once in the life of a process."""
    observer: ILogObserver = STDLibLogObserver()  # type: ignore[assignment]  # mypy sees no zope interface
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def _log_to_stderr(settings: Logging) -> None:
    stderr = logging.StreamHandler()
    stderr.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())
    logging.basicConfig(level=settings.level.upper(), handlers=[stderr], force=True)
    # It tells of every port and connection.
    logging.getLogger("twisted").setLevel(logging.WARNING)


def _follow(path: Path) -> None:
    try:
        wanted = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"log_config names {path}, which cannot be read: {error}") from error
    if not isinstance(wanted, dict):
        raise ConfigError(f"log_config names {path}, which is no mapping in the form of dictConfig")
    try:
        logging.config.dictConfig(_translated({"disable_existing_loggers": False, **wanted}))
    except (ValueError, TypeError, AttributeError, ImportError, KeyError) as error:
        raise ConfigError(
            f"log_config names {path}, which dictConfig refuses: {_all_reasons(error)}"
        ) from error


def _translated(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`wanted` without classes that only Synapse has."""
    translated = dict(wanted)
    for part in ("filters", "formatters", "handlers"):
        named = wanted.get(part)
        if isinstance(named, dict):
            translated[part] = {name: _without_synapse(definition) for name, definition in named.items()}
    return translated


def _without_synapse(definition: Any) -> Any:
    if not isinstance(definition, dict):
        return definition
    instead = _INSTEAD.get(definition.get("()") or definition.get("class") or "")
    if instead is None:
        return definition
    kept = {key: definition[key] for key in ("target", "level", "formatter", "filters") if key in definition}
    return {**kept, **instead}


def _all_reasons(error: BaseException) -> str:
    """dictConfig says which part it could not use, and why only in the cause."""
    return f"{error}: {error.__cause__}" if error.__cause__ else str(error)
