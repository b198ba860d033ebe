"""What operators see of the server at work."""

from dataclasses import dataclass
from typing import Literal

from config.kinds import FilePath
from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """By default the log goes to standard error."""

    config: FilePath | None = option(
        None,
        "YAML file in the form of Python's `logging.config.dictConfig`; replaces the settings below.",
        key="log_config",
    )
    level: Literal["debug", "info", "warning", "error"] = option(
        "info", "The least important messages that are logged.", key="log_level"
    )
    format: Literal["text", "json"] = option(
        "text", "Lines for people, or a JSON object a line for machines.", key="log_format"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Prometheus metrics, on listeners with the resource `metrics` or of that type."""

    enabled: bool = option(False, "Whether metrics are served.", key="enable_metrics")
    port: int | None = option(
        None, "Adds a listener for metrics on this port.", key="metrics_port", minimum=0, maximum=65535
    )
    bind_host: str = option("127.0.0.1", "The address of that listener.", key="metrics_bind_host")
    report_stats: bool | None = option(
        None, "Understood for the sake of Synapse's files. Nothing is ever reported to anybody."
    )
