"""What can be searched."""

from dataclasses import dataclass

from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Searching messages."""

    enabled: bool = option(
        True,
        "Whether users can search for messages; otherwise no index of them is kept.",
        key="enable_search",
    )
