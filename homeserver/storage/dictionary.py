"""Short ids: text that would repeat in hot tables is stored once and referred to by an integer."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

K = TypeVar("K", bound=Hashable)


class Dictionary(Generic[K]):
    """The table `table(nid, <columns>)`, unique over its columns, with its most used rows in memory.

    A key is one text, or a tuple of texts where the table has several columns.
    """

    def __init__(self, db: Database, table: str, columns: tuple[str, ...], capacity: int) -> None:
        """`capacity` is the number of keys kept in memory."""
        self._db = db
        self._columns = columns
        self._capacity = capacity
        self._known: OrderedDict[K, int] = OrderedDict()
        *first, last = columns
        matches = "".join(f"{column} = %({column})s AND " for column in first)
        self._find = f"SELECT {last}, nid FROM {table} WHERE {matches}{last} IN %(among)s"
        names, values = ", ".join(columns), ", ".join(f"%({column})s" for column in columns)
        self._insert = (
            f"INSERT INTO {table} ({names}) VALUES ({values}) ON CONFLICT DO NOTHING RETURNING {names}, nid"
        )

    async def nid_of(self, key: K) -> int:
        """The short id of `key`, made now if there is none."""
        nid = self.known(key)
        if nid is not None:
            return nid
        return (await self.nids_of([key]))[key]

    async def nids_of(self, keys: Iterable[K]) -> Mapping[K, int]:
        """The short ids of all keys; those that are missing are made in one write."""
        wanted = {key: self.known(key) for key in keys}
        # Taken now, because what is in memory may have left it when the others are known.
        nids = {key: nid for key, nid in wanted.items() if nid is not None}
        missing = [key for key, nid in wanted.items() if nid is None]
        if missing:
            found = await self._db.read(self._look_up, missing)
            new = [key for key in missing if key not in found]
            if new:
                found |= await self._db.write(self._add, new)
            self._remember(found)
            nids |= found
        return nids

    def known(self, key: K) -> int | None:
        """The short id if it is in memory."""
        nid = self._known.get(key)
        if nid is not None:
            self._known.move_to_end(key)
        return nid

    async def find(self, key: K) -> int | None:
        """The short id if there is one; makes none."""
        return (await self.find_all([key])).get(key)

    async def find_all(self, keys: Iterable[K]) -> Mapping[K, int]:
        """The short ids that there are, read in one statement; makes none."""
        wanted = {key: self.known(key) for key in keys}
        missing = [key for key, nid in wanted.items() if nid is None]
        found = await self._db.read(self._look_up, missing) if missing else {}
        self._remember(found)
        return {key: nid for key, nid in wanted.items() if nid is not None} | found

    def _look_up(self, txn: Transaction, keys: Iterable[K]) -> dict[K, int]:
        """One statement for all keys that differ in their last text alone."""
        alike: dict[tuple[str, ...], dict[str, K]] = {}
        for key in keys:
            parts = _parts(key)
            alike.setdefault(parts[:-1], {})[parts[-1]] = key
        found: dict[K, int] = {}
        for beginning, ends in alike.items():
            named = dict(zip(self._columns, beginning, strict=False))
            found |= {ends[end]: nid for end, nid in txn.rows(self._find, **named, among=list(ends))}
        return found

    def _add(self, txn: Transaction, keys: list[K]) -> dict[K, int]:
        by_parts = {_parts(key): key for key in keys}
        # Sorted, so that two processes that add the same keys do not wait for each other in a circle.
        params = [dict(zip(self._columns, parts, strict=True)) for parts in sorted(by_parts)]
        found = {by_parts[tuple(parts)]: nid for *parts, nid in txn.rows_of_many(self._insert, params)}
        if len(found) < len(keys):
            # Somebody else has made them meanwhile.
            found |= self._look_up(txn, [key for key in keys if key not in found])
        return found

    def _remember(self, found: Mapping[K, int]) -> None:
        self._known.update(found)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)


def _parts(key: object) -> tuple[str, ...]:
    """The texts of a key."""
    return key if isinstance(key, tuple) else (str(key),)
