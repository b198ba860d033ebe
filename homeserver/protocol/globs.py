"""Glob patterns that users give: `*` stands for any text, `?` for one character; the case does not matter.

https://spec.matrix.org/v1.19/appendices/#glob-style-matching
"""

import re

_FLAGS = re.IGNORECASE | re.DOTALL
# In a scope of its own, because without regard to case the Kelvin sign would be a K.
_WORD = "(?-i:[A-Za-z0-9_])"


class Glob:
    """A pattern ready for use.

    Each part between two `*` is taken where it first fits. So no pattern takes long, as one could in a regular
    expression that tries every way to fit.
    """

    __slots__ = ("_parts", "_plain", "_text", "_words")

    def __init__(self, pattern: str) -> None:
        # Most patterns are types of events, with nothing special in them.
        self._plain = None if "*" in pattern or "?" in pattern else pattern.lower()
        self._text = pattern.split("*")
        self._parts = [_literal(part) for part in self._text]
        self._words: list[re.Pattern[str]] | None = None

    def matches(self, text: str) -> bool:
        """Whether the pattern is the whole text."""
        if self._plain is not None:
            return text.lower() == self._plain
        first, last = self._parts[0], self._parts[-1]
        found = first.match(text)
        if found is None:
            return False
        if len(self._parts) == 1:
            return found.end() == len(text)
        at = _search(self._parts[1:-1], text, found.end())
        end = len(text) - len(self._text[-1])
        return at is not None and at <= end and last.match(text, end) is not None

    def matches_words(self, text: str) -> bool:
        """Whether the pattern is a part of the text that begins and ends at the boundary of a word."""
        if self._words is None:
            self._words = self._compile_words()
        return _search(self._words, text, 0) is not None

    def _compile_words(self) -> list[re.Pattern[str]]:
        # Where the pattern begins or ends with `*`, that reaches to the boundary which every text begins and ends with.
        parts = [re.escape(part).replace(r"\?", ".") for part in self._text]
        if parts[0]:
            parts[0] = f"(?<!{_WORD}){parts[0]}"
        if parts[-1]:
            parts[-1] += f"(?!{_WORD})"
        return [re.compile(part, _FLAGS) for part in parts]


def _literal(part: str) -> re.Pattern[str]:
    return re.compile(re.escape(part).replace(r"\?", "."), _FLAGS)


def _search(parts: list[re.Pattern[str]], text: str, at: int) -> int | None:
    """Where the parts end if they follow each other in the text from `at` on; None where they do not."""
    for part in parts:
        found = part.search(text, at)
        if found is None:
            return None
        at = found.end()
    return at
