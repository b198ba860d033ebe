"""Who is behind a token, remembered, so that a request needs no database to know who calls."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from homeserver.http.requester import Requester

_CAPACITY = 20_000


class Known(NamedTuple):
    """`until` is in milliseconds since the epoch; from then on the database must be asked again."""

    requester: Requester
    until: int


class TokenCache:
    """Requesters by the hashes of their access tokens; those used least recently are forgotten."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self.endings = 0
        """How often tokens ended; changes while somebody reads a token that may be among them."""

    def get(self, token_hash: bytes) -> Known | None:
        known = self._known.get(token_hash)
        if known is not None:
            self._known.move_to_end(token_hash)
        return known

    def put(self, token_hash: bytes, known: Known, endings: int) -> None:
        """Remembers what was read from the database when `self.endings` was `endings`.

        If tokens ended since then this may be one of them, and nothing is remembered.
        """
        if endings != self.endings:
            return
        self._known[token_hash] = known
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def forget(self, token_hashes: Iterable[bytes]) -> None:
        """To be called after the commit that ended or changed these tokens."""
        self.endings += 1
        for token_hash in token_hashes:
            self._known.pop(token_hash, None)

    def __len__(self) -> int:
        return len(self._known)
