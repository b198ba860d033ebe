"""New one-time and fallback keys of devices: checked against those that they have, then stored together."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from homeserver.e2ee.store.one_time_keys import (
    DeviceStock,
    Line,
    NewKeys,
    StoredKey,
    UploadedKeys,
    append_one_time_keys,
    device_stocks,
    put_fallback_keys,
    stored_keys,
)
from homeserver.protocol.errors import MatrixError, TooLarge, Unknown
from homeserver.protocol.json import decode_json
from homeserver.storage.engine import Transaction

_MOST_KEYS = 500


@dataclass(slots=True)
class Addition:
    """What one device adds to its stock. Once stored, it has the number of one-time keys left by algorithm, or
    what is wrong: Unknown where a key ID is taken by another key, TooLarge where there are more than enough."""

    device_nid: int
    one_time_keys: Sequence[UploadedKeys]
    fallback_keys: Sequence[UploadedKeys]
    counts: dict[str, int] = field(default_factory=dict)
    refused: MatrixError | None = None


def store_additions(txn: Transaction, additions: Iterable[Addition]) -> None:
    """In their order; of one that is refused, nothing is stored."""
    turns: defaultdict[int, int] = defaultdict(int)
    rounds: defaultdict[int, list[Addition]] = defaultdict(list)
    for addition in additions:
        # A device's second addition is judged by what the first one left.
        turns[addition.device_nid] += 1
        rounds[turns[addition.device_nid]].append(addition)
    for together in rounds.values():
        _store_together(txn, together)


def _store_together(txn: Transaction, additions: Sequence[Addition]) -> None:
    """At most one of each device."""
    stocks = device_stocks(txn, [addition.device_nid for addition in additions])
    news: list[NewKeys] = []
    accepted: list[Addition] = []
    for addition in additions:
        stock = stocks[addition.device_nid]
        try:
            new = _new_keys(txn, addition, stock)
            addition.counts, addition.refused = _counts_after(stock, new), None
        except MatrixError as error:
            addition.refused = error
        else:
            news += new
            accepted.append(addition)
    if news:
        append_one_time_keys(txn, news)
    fallback = [(addition.device_nid, keys) for addition in accepted for keys in addition.fallback_keys]
    if fallback:
        put_fallback_keys(txn, fallback)


def _new_keys(txn: Transaction, addition: Addition, stock: DeviceStock) -> list[NewKeys]:
    news = []
    for uploaded in addition.one_time_keys:
        known = stock.key_ids[uploaded.algorithm].intersection(uploaded.key_ids)
        new = _without_known(txn, addition.device_nid, uploaded, known) if known else uploaded
        if new.keys:
            first_place = stock.lines.get(uploaded.algorithm, Line()).last_place + 1
            news.append(NewKeys(addition.device_nid, first_place, new))
    return news


def _without_known(
    txn: Transaction, device_nid: int, uploaded: UploadedKeys, known: Collection[str]
) -> UploadedKeys:
    """Without the keys that the device has already; it has or had some of these `known` IDs."""
    stored = stored_keys(txn, device_nid, uploaded.algorithm, known)
    new = UploadedKeys(uploaded.algorithm, [], [])
    for key_id, key in zip(uploaded.key_ids, uploaded.keys, strict=True):
        if key_id not in stored or _is_news(uploaded.algorithm, key_id, key, stored[key_id]):
            new.key_ids.append(key_id)
            new.keys.append(key)
    return new


def _counts_after(stock: DeviceStock, news: Sequence[NewKeys]) -> dict[str, int]:
    """Raises TooLarge."""
    counts = {algorithm: line.left for algorithm, line in stock.lines.items()}
    for new in news:
        algorithm = new.uploaded.algorithm
        counts[algorithm] = counts.get(algorithm, 0) + len(new.uploaded.keys)
    if max(counts.values(), default=0) > _MOST_KEYS:
        raise TooLarge(f"A device may have {_MOST_KEYS} one-time keys of an algorithm")
    return {algorithm: count for algorithm, count in counts.items() if count}


def _is_news(algorithm: str, key_id: str, key: bytes, stored: StoredKey) -> bool:
    """Raises Unknown where the ID is that of another key, which nobody has claimed yet."""
    if _is_same(stored.key, key):
        return False
    if not stored.is_claimed:
        # COMPAT(synapse): clients find out by this text that their store is out of step with the server.
        raise Unknown(
            f"One time key {algorithm}:{key_id} already exists."
            f" Old key: {stored.key.decode()}; new key: {key.decode()}"
        )
    # Long gone: a client that lost its keys counts from the beginning.
    return True


def _is_same(one: bytes, other: bytes) -> bool:
    """Whether it is the same key, perhaps signed once more."""
    return one == other or _unsigned(one) == _unsigned(other)


def _unsigned(key: bytes) -> object:
    value = decode_json(key)
    if isinstance(value, dict):
        value.pop("signatures", None)
    return value
