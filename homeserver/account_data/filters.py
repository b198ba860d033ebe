"""Filters that clients upload once and then name by their ID.

https://spec.matrix.org/v1.19/client-server-api/#filtering
"""

from hashlib import blake2b

from homeserver.account_data.store import FilterRow, filter_definition, insert_filter
from homeserver.protocol.errors import NotFound
from homeserver.protocol.filters import Filter, parse_filter
from homeserver.protocol.json import JsonObject, canonical_json, decode_json
from homeserver.runtime.clock import Clock
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database

_KEPT = 1_000
"""How many filters one user can have; beyond that the oldest go."""

# A parsed filter holds some thirty fields and the texts of its definition.
_FILTER_BYTES = 2_000


class Filters:
    """Stored filters, with those in use in memory. Equal definitions have equal IDs."""

    def __init__(self, db: Database, clock: Clock, cache_bytes: int) -> None:
        self._db = db
        self._clock = clock
        self._parsed: ByteBudgetCache[tuple[int, str], Filter] = ByteBudgetCache(cache_bytes)

    async def add(self, user_nid: int, definition: JsonObject) -> str:
        """Stores a filter for a user and returns its ID. Raises BadJson where it is not one."""
        parsed = parse_filter(definition)
        text = canonical_json(definition)
        filter_id = blake2b(text, digest_size=12).hexdigest()
        if self._parsed.get((user_nid, filter_id)) is None:
            row = FilterRow(user_nid, filter_id, text, self._clock.now_ms())
            await self._db.write(insert_filter, row, _KEPT)
            self._remember(user_nid, filter_id, parsed, len(text))
        return filter_id

    async def definition(self, user_nid: int, filter_id: str) -> bytes:
        """The JSON of a user's filter. Raises NotFound where the user has no such filter."""
        text = await self._db.read(filter_definition, user_nid, filter_id)
        if text is None:
            raise NotFound("There is no such filter")
        return text

    async def get(self, user_nid: int, filter_id: str) -> Filter:
        """A user's filter, ready for use. Raises NotFound where the user has no such filter."""
        parsed = self._parsed.get((user_nid, filter_id))
        if parsed is None:
            text = await self.definition(user_nid, filter_id)
            parsed = parse_filter(decode_json(text))
            self._remember(user_nid, filter_id, parsed, len(text))
        return parsed

    def _remember(self, user_nid: int, filter_id: str, parsed: Filter, length: int) -> None:
        self._parsed.put((user_nid, filter_id), parsed, _FILTER_BYTES + length)
