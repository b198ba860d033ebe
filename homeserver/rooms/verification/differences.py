"""What a verification found."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

LISTED = 100
"""Differences that are told one by one; the others are counted."""


class Difference(NamedTuple):
    """`where` is a room or event, `what` the kind of difference, `times` how often it is there."""

    where: str
    what: str
    detail: str = ""
    times: int = 1

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.where}: {self.what}{detail}"


@dataclass(slots=True)
class Findings:
    """What is so far known of a whole database."""

    rooms: int = 0
    events: int = 0
    listed: list[Difference] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    unchecked: Counter[str] = field(default_factory=Counter)
    """What could not be checked, and is no difference."""

    def add(self, difference: Difference) -> None:
        self.kinds[difference.what] += difference.times
        if len(self.listed) < LISTED:
            self.listed.append(difference)

    @property
    def count(self) -> int:
        return self.kinds.total()

    def lines(self) -> Iterator[str]:
        """One line for each difference listed, then the counts of each kind where there are more."""
        yield from map(str, self.listed)
        if self.count > len(self.listed):
            for what, times in self.kinds.most_common():
                yield f"{times:,} in all: {what}"
