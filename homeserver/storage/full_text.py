"""Full text search in the words of each engine. What a word is, the caller decides: tables hold words as they are.

A table that can be searched has a `words` column, with one space between words that consist of letters, marks,
digits and colons alone; its migration makes the index.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from homeserver.storage.engine import Transaction


class Term(NamedTuple):
    """A word, or how words begin."""

    text: str
    is_beginning: bool = False


Query = Sequence[Sequence[Term]]
"""What matches has, of each of the sequences, one term at least."""


class FullText(Protocol):
    """Searches the table `table` whose rows are numbered by `key`."""

    def newest(self, txn: Transaction, query: Query, before: int, limit: int) -> list[int]:
        """The greatest keys below `before` of rows that match, in descending order."""


class SqliteFullText:
    """FTS5, in the virtual table `<table>_words`."""

    def __init__(self, table: str, key: str) -> None:
        del key  # An FTS5 table calls it rowid.
        self._statement = f"""
            SELECT rowid FROM {table}_words
            WHERE {table}_words MATCH %(query)s AND rowid < %(before)s
            ORDER BY rowid DESC
            LIMIT %(limit)s
        """

    def newest(self, txn: Transaction, query: Query, before: int, limit: int) -> list[int]:
        text = " AND ".join(f"({' OR '.join(map(self._term, terms))})" for terms in query)
        return [key for (key,) in txn.rows(self._statement, query=text, before=before, limit=limit)]

    def _term(self, term: Term) -> str:
        return f'"{term.text}"{"*" if term.is_beginning else ""}'


class PostgresFullText:
    """A GIN index over `search_lexemes(words)`, the words as they are."""

    def __init__(self, table: str, key: str) -> None:
        self._statement = f"""
            SELECT {key} FROM {table}
            WHERE search_lexemes(words) @@ CAST(%(query)s AS tsquery)
              AND {key} < %(before)s
            ORDER BY {key} DESC
            LIMIT %(limit)s
        """

    def newest(self, txn: Transaction, query: Query, before: int, limit: int) -> list[int]:
        text = " & ".join(f"({' | '.join(map(self._term, terms))})" for terms in query)
        return [key for (key,) in txn.rows(self._statement, query=text, before=before, limit=limit)]

    def _term(self, term: Term) -> str:
        return f"'{term.text}'{':*' if term.is_beginning else ''}"


def full_text(engine_name: str, table: str, key: str) -> FullText:
    """How an engine (`Engine.name`) searches a table."""
    kind = SqliteFullText if engine_name == "sqlite" else PostgresFullText
    return kind(table, key)
