"""How much memory is spent on not asking the database."""

from dataclasses import dataclass

from config.kinds import Size
from config.option import option

_USUAL_FACTOR = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Caches:
    """Caches are limited by bytes, not by entries."""

    global_factor: float = option(
        _USUAL_FACTOR, "Scales the caches: 1.0 doubles them.", key="caches.global_factor", minimum=0
    )
    total_size: Size = option(
        64 * 1024**2,
        "Memory for all caches together while the factor is 0.5.",
        key="caches.total_size",
        minimum=0,
    )

    @property
    def budget(self) -> int:
        """Bytes that all caches together may hold."""
        return int(self.total_size * self.global_factor / _USUAL_FACTOR)
