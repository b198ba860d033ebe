"""The words by which messages are found, in any language: folded, and where a script puts no spaces, three
characters at a time.

Whoever looks for a word finds all that begin with it: that serves where endings differ, without knowing a language.
"""

import math
import re
from collections.abc import Iterator, Sequence

from homeserver.search.words import folded
from homeserver.storage.full_text import Term

_MOST_TERMS = 32
_LONGEST_WORD = 64
_GRAM = 3
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# Vowel signs of Indic scripts are no letters, but within words.
_WORD = re.compile(rf"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])(?:[^\W_]|[\u0900-\u0963\u0966-\u0dff]))+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")


def words_of_message(text: str) -> list[str]:
    """Every word of a text, in its order."""
    return [token for word in _WORD.findall(folded(text)) for token in _tokens(word)]


def terms_of(text: str) -> list[Term]:
    """What somebody looks for: each of the terms must be there."""
    terms: dict[Term, None] = {}
    for word in _WORD.findall(folded(text)):
        grams = list(_tokens(word))
        if _IS_UNSPACED.match(word) and len(word) >= _GRAM:
            # The last ones only say how the text could go on.
            grams = grams[: 1 - _GRAM]
        elif _IS_UNSPACED.match(word):
            grams = grams[:1]
        terms |= dict.fromkeys(Term(gram, is_beginning=True) for gram in grams)
    return list(terms)[:_MOST_TERMS]


def rank(terms: Sequence[Term], text: str) -> float:
    """How well a text answers: more for whole words, for several of them, and for short texts."""
    words = words_of_message(text)
    score = 0.0
    for term in terms:
        whole = words.count(term.text)
        begun = sum(word.startswith(term.text) for word in words) - whole
        score += math.log1p(whole + begun / 2)
    return score / (1 + math.log1p(len(words)))


def found_words(terms: Sequence[Term], text: str) -> Iterator[str]:
    """The words of a text that were looked for, as they are written there."""
    for word in _WORD.findall(text):
        tokens = words_of_message(word)
        if any(token.startswith(term.text) for term in terms for token in tokens):
            yield word.lower()


def _tokens(word: str) -> Iterator[str]:
    if _IS_UNSPACED.match(word):
        yield from (word[start : start + _GRAM] for start in range(len(word)))
    else:
        yield word[:_LONGEST_WORD]
