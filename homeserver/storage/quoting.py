"""Parameters as they stand in the text of a statement to PostgreSQL.

Most of ours are numbers, names and JSON, which are written here, as psycopg2 takes several times as long; whatever else
there may be, psycopg2 writes. https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS
"""

from collections.abc import Sequence
from types import NoneType
from typing import Any

import psycopg2.extensions

_NUMBERS = {int, NoneType}
_TEXTS = {str, NoneType}


def quoted(cursor: psycopg2.extensions.cursor, value: Any) -> bytes:
    """One value. Raises ValueError for text with a NUL, which PostgreSQL cannot hold."""
    kind = type(value)
    if kind is int:
        # The space keeps a minus from another one, with which a comment would begin.
        return b" %d" % value
    if value is None:
        return b"NULL"
    if kind is str and "\0" not in value:
        return _as_text(value).encode()
    if kind is bytes:
        return _as_bytes(value).encode()
    if kind is list and (array := _as_array(value)) is not None:
        return array.encode()
    by_psycopg2: bytes = cursor.mogrify("%s", (value,))
    return by_psycopg2


def quoted_rows(cursor: psycopg2.extensions.cursor, columns: Sequence[Sequence[Any]]) -> bytes:
    """Rows as they stand behind VALUES, from the values of each of their columns. Raises ValueError as `quoted` does.

    What is asked of a value is asked of whole columns, which takes a third of the time.
    """
    row = f"({','.join(['%s'] * len(columns))})"
    return ",".join(map(row.__mod__, zip(*(_column(cursor, each) for each in columns), strict=True))).encode()


def unnested(columns: Sequence[Sequence[Any]]) -> bytes | None:
    """The same rows as a SELECT, which PostgreSQL reads faster; None where a column is not of numbers or plain text."""
    arrays = [_typed_array(each) for each in columns]
    return None if None in arrays else f"SELECT * FROM unnest({','.join(map(str, arrays))})".encode()


def _typed_array(values: Sequence[Any]) -> str | None:
    array = _as_array(values)
    return None if array is None else f"{array}::{'bigint' if type(values[0]) is int else 'text'}[]"


def _column(cursor: psycopg2.extensions.cursor, values: Sequence[Any]) -> Sequence[object]:
    kinds = set(map(type, values))
    if kinds == {int}:
        return values
    if kinds <= _NUMBERS:
        return ["NULL" if value is None else value for value in values]
    if kinds <= _TEXTS and _is_plain(text := "".join(filter(None, values))) and "\0" not in text:
        return ["NULL" if value is None else f"'{value}'" for value in values]
    if kinds == {bytes}:
        return list(map(_as_bytes, values))
    return [quoted(cursor, value).decode() for value in values]


def _is_plain(text: str) -> bool:
    """Whether nothing in it means anything to PostgreSQL between quotes, whatever its settings are."""
    return not ("'" in text or "\\" in text)


def _as_text(value: str) -> str:
    if _is_plain(value):
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


def _as_bytes(value: bytes) -> str:
    if value.isascii() and _is_plain(text := value.decode("ascii")) and "\0" not in text:
        # Half as long as two digits for each byte.
        return f"'{text}'::bytea"
    return f"E'\\\\x{value.hex()}'::bytea"


def _as_array(values: Sequence[Any]) -> str | None:
    """A list of numbers or of plain texts, of which PostgreSQL learns the type from what it is compared with; else
    None.

    An `ARRAY[...]` takes it a multiple of the time. https://www.postgresql.org/docs/current/arrays.html#ARRAYS-INPUT
    """
    kinds = set(map(type, values))
    if kinds == {int}:
        return f"'{{{','.join(map(str, values))}}}'"
    if kinds == {str} and _is_plain(text := "".join(values)) and '"' not in text and "\0" not in text:
        listed = '","'.join(values)
        return f"'{{\"{listed}\"}}'"
    return None
