"""What a service is sent at once, and is the same until the service has it.

It is what happened between two positions, so that the service, once it has it, has everything up to the second.

https://spec.matrix.org/v1.19/application-service-api/#pushing-events
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appservices.contents import Interval, events, key_news, messages, receipts
from appservices.registration import AppService
from appservices.store.list_changes import delete_list_changes, oldest_list_changes
from appservices.store.messages import oldest_outgoing_messages, take_outgoing_messages
from appservices.store.outbox import (
    Progress,
    acknowledged,
    begin_transaction,
    oldest_outgoing,
    progress,
)
from homeserver.e2ee.store.to_device import delete_messages
from homeserver.ephemeral.store import oldest_receipts
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.storage.engine import Transaction as DatabaseTransaction
from homeserver.streams.journal import current_position

MOST_EVENTS = 100
_MOST_OTHERS = 100
_MOST_LIST_CHANGES = 1_000


@dataclass(frozen=True, slots=True)
class Begun:
    """`has_all` says that nothing that happened before waits for the next transaction."""

    has_all: bool


@dataclass(frozen=True, slots=True)
class Transaction:
    """With it the service has everything up to `upto`."""

    transaction_id: int
    upto: int
    body: JsonObject


def go_on(
    txn: DatabaseTransaction,
    service: AppService,
    ended: int | None,
    receipt_rooms: Sequence[int],
    *,
    has_fleeting: bool,
) -> Begun | None:
    """Notes that the service has everything up to `ended`, and settles how far the next transaction reaches.

    None where there is nothing to send. Receipts are looked for in `receipt_rooms`.
    """
    if ended is not None:
        _end(txn, service.id, ended)
    return _begin(txn, service, receipt_rooms, has_fleeting=has_fleeting)


def _end(txn: DatabaseTransaction, service: str, upto: int) -> None:
    """The service has the transaction under way. Messages to devices are not kept for their /sync."""
    acknowledged(txn, service, upto)
    delete_messages(txn, take_outgoing_messages(txn, service, upto))
    delete_list_changes(txn, service, upto)


def _begin(
    txn: DatabaseTransaction, service: AppService, receipt_rooms: Sequence[int], *, has_fleeting: bool
) -> Begun | None:
    """From then on it is the same, also after a crash, so that the service can tell that it had it."""
    state = progress(txn, service.id)
    if state is None:
        return None
    if state.upto is not None:
        return Begun(has_all=False)
    now = current_position(txn)
    upto: int = now
    is_empty = not has_fleeting
    for positions, limit in _waiting(txn, service, state, receipt_rooms, now):
        is_empty = is_empty and not positions
        if len(positions) == limit:
            upto = min(upto, positions[-1])
    if is_empty:
        return None
    begin_transaction(txn, service.id, upto)
    return Begun(has_all=upto == now)


def _waiting(
    txn: DatabaseTransaction, service: AppService, state: Progress, receipt_rooms: Sequence[int], now: int
) -> Iterator[tuple[Sequence[int], int]]:
    """Of each kind of news the oldest positions, and how many of them there may be."""
    yield oldest_outgoing(txn, service.id, now, MOST_EVENTS), MOST_EVENTS
    if service.wants_ephemeral:
        yield oldest_outgoing_messages(txn, service.id, now, _MOST_OTHERS), _MOST_OTHERS
        if receipt_rooms:
            yield oldest_receipts(txn, receipt_rooms, state.told, now, _MOST_OTHERS), _MOST_OTHERS
    if service.registration.wants_keys:
        yield oldest_list_changes(txn, service.id, now, _MOST_LIST_CHANGES), _MOST_LIST_CHANGES


def read_transaction(
    txn: DatabaseTransaction,
    service: AppService,
    receipt_rooms: Sequence[int],
    fleeting: Sequence[JsonValue],
    now_ms: int,
) -> Transaction | None:
    """The one under way, with what is `fleeting`."""
    state = progress(txn, service.id)
    if state is None or state.upto is None:
        return None
    interval = Interval(state.told, state.upto)
    body: JsonObject = {"events": events(txn, service, interval, now_ms)}
    sent = messages(txn, service, interval) if service.wants_ephemeral else []
    if service.wants_ephemeral:
        ephemeral = [*receipts(txn, service, interval, receipt_rooms), *fleeting]
        body |= _named(ephemeral, *service.ephemeral_names)
        body |= _named([message.event() for message in sent], "to_device", "de.sorunome.msc2409.to_device")
    if service.registration.wants_keys:
        news = key_news(txn, service, interval, {message.user_id for message in sent})
        body |= _named(news.lists, "device_lists", "org.matrix.msc3202.device_lists")
        body |= _named(
            news.counts,
            "device_one_time_keys_count",
            "org.matrix.msc3202.device_one_time_keys_count",
            # MSC3202 was once read so, and services may know no other name.
            "org.matrix.msc3202.device_one_time_key_counts",
        )
        body |= _named(
            news.unused_fallback,
            "device_unused_fallback_key_types",
            "org.matrix.msc3202.device_unused_fallback_key_types",
        )
    return Transaction(state.transaction_id, state.upto, body)


def _named(value: JsonValue, *names: str) -> JsonObject:
    return dict.fromkeys(names, value) if value else {}
