"""The words by which users are found: of their IDs and names, and of what somebody looks for."""

import re
import unicodedata
from collections.abc import Iterator

from homeserver.protocol.identifiers import localpart_of

_MOST_WORDS = 64
_LONGEST_WORD = 64
_WORD = re.compile(r"[^\W_]+")
# Scripts that put no spaces between words.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def folded(text: str) -> str:
    """Without case and accents, and with one form for what looks the same."""
    if text.isascii():
        # Nearly all IDs.
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character)).casefold()


def words_of_user(user_id: str, displayname: str | None) -> list[str]:
    """The words of which somebody may type the beginning to find the user."""
    localpart = folded(localpart_of(user_id))
    words = {folded(user_id): None, localpart: None}
    for text in (localpart, folded(displayname or "")):
        for word in _WORD.findall(text):
            words |= dict.fromkeys(_beginnings(word))
    return list(words)[:_MOST_WORDS]


def words_of_term(term: str) -> list[str]:
    """What is looked for, the most telling word first. All of them must be there."""
    text = folded(term).strip()
    if text.startswith("@"):
        # (The beginning of) an ID, or a name as people write it when they speak to somebody.
        whole = [text[:_LONGEST_WORD]] if ":" in text else [text[1 : _LONGEST_WORD + 1]]
        return [word for word in whole if word]
    words = {word[:_LONGEST_WORD] for word in _WORD.findall(text)}
    return sorted(words, key=lambda word: (-len(word), word))[:_MOST_WORDS]


def _beginnings(word: str) -> Iterator[str]:
    """The word, and where there are no spaces between words, what begins at each of its characters."""
    yield word[:_LONGEST_WORD]
    if _UNSPACED.search(word):
        yield from (word[start : start + _LONGEST_WORD] for start in range(1, min(len(word), _MOST_WORDS)))
