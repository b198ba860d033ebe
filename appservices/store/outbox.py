"""Tables appservice and appservice_event: what each service is to be sent, and how far it is."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from homeserver.storage.engine import Transaction

_TABLES = (
    "appservice",
    "appservice_room",
    "appservice_event",
    "appservice_message",
    "appservice_list_change",
)


ELSEWHERE = 0
"""In place of an event's short id: what a user is, since the position, to a room in which nobody of this server is."""


class Progress(NamedTuple):
    """The service has everything up to `told`. The transaction under way reaches up to `upto`; None between them."""

    transaction_id: int
    told: int
    upto: int | None
    failing_since: int | None
    retry_at: int | None


class ServiceState(NamedTuple):
    """How many events and messages wait for a service, and since when, in ms, it has not taken them."""

    waiting: int
    failing_since: int | None


def state_of(txn: Transaction, service: str) -> ServiceState:
    row = txn.row(
        """
        SELECT (SELECT count(*) FROM appservice_event WHERE service = %(service)s)
            + (SELECT count(*) FROM appservice_message WHERE service = %(service)s)
        """,
        service=service,
    )
    stored = progress(txn, service)
    return ServiceState(0 if row is None else int(row[0]), None if stored is None else stored.failing_since)


def namespaces(txn: Transaction) -> dict[str, bytes]:
    """Of the services that are known, a hash of what their room counts depend on."""
    return {service: bytes(hash) for service, hash in txn.rows("SELECT service, namespace FROM appservice")}


def put_service(txn: Transaction, service: str, namespace: bytes, position: int) -> None:
    """A new one is to be sent what comes after the position."""
    txn.execute(
        """
        INSERT INTO appservice (service, namespace, transaction_id, told)
        VALUES (%(service)s, %(namespace)s, 1, %(position)s)
        ON CONFLICT (service) DO UPDATE SET namespace = excluded.namespace
        """,
        service=service, namespace=namespace, position=position,
    )  # fmt: skip


def delete_services(txn: Transaction, services: Collection[str]) -> None:
    """With all that they were to be sent."""
    for table in _TABLES:
        txn.execute(f"DELETE FROM {table} WHERE service IN %(services)s", services=list(services))


def progress(txn: Transaction, service: str) -> Progress | None:
    """None for a service that is not registered."""
    row = txn.row(
        """
        SELECT transaction_id, told, upto, failing_since, retry_at FROM appservice WHERE service = %(service)s
        """,
        service=service,
    )
    return None if row is None else Progress(*row)


def insert_outgoing(txn: Transaction, rows: Iterable[tuple[str, int, int]], now_ms: int) -> None:
    """Each is (service, position, the event's short id or ELSEWHERE)."""
    txn.execute_many(
        """
        INSERT INTO appservice_event (service, position, event, added_at)
        VALUES (%(service)s, %(position)s, %(event)s, %(now_ms)s)
        """,
        [
            {"service": service, "position": position, "event": event, "now_ms": now_ms}
            for service, position, event in rows
        ],
    )


def oldest_outgoing(txn: Transaction, service: str, upto: int, limit: int) -> list[int]:
    """The positions of the oldest events for a service, up to a position."""
    rows = txn.rows(
        """
        SELECT position FROM appservice_event WHERE service = %(service)s AND position <= %(upto)s
        ORDER BY position
        LIMIT %(limit)s
        """,
        service=service, upto=upto, limit=limit,
    )  # fmt: skip
    return [position for (position,) in rows]


def outgoing(txn: Transaction, service: str, upto: int) -> list[tuple[int, int]]:
    """(position, event) of those for a service up to a position, oldest first; the event may be ELSEWHERE."""
    rows = txn.rows(
        """
        SELECT position, event FROM appservice_event WHERE service = %(service)s AND position <= %(upto)s
        ORDER BY position
        """,
        service=service, upto=upto,
    )  # fmt: skip
    return [(position, event) for position, event in rows]


def begin_transaction(txn: Transaction, service: str, upto: int) -> None:
    """The transaction under way reaches up to a position, whatever comes meanwhile."""
    txn.execute(
        "UPDATE appservice SET upto = %(upto)s WHERE service = %(service)s", service=service, upto=upto
    )


def acknowledged(txn: Transaction, service: str, upto: int) -> None:
    """The service has the transaction under way."""
    txn.execute(
        "DELETE FROM appservice_event WHERE service = %(service)s AND position <= %(upto)s",
        service=service,
        upto=upto,
    )
    txn.execute(
        """
        UPDATE appservice SET transaction_id = transaction_id + 1, told = %(upto)s, upto = NULL,
            failing_since = NULL, retry_at = NULL
        WHERE service = %(service)s
        """,
        service=service,
        upto=upto,
    )


def failed(txn: Transaction, service: str, now_ms: int, retry_at: int) -> None:
    """The service did not take it; it is tried again at `retry_at`. Times are in ms."""
    txn.execute(
        """
        UPDATE appservice SET failing_since = coalesce(failing_since, %(now_ms)s), retry_at = %(retry_at)s
        WHERE service = %(service)s
        """,
        service=service, now_ms=now_ms, retry_at=retry_at,
    )  # fmt: skip


def delete_old(txn: Transaction, before_ms: int) -> None:
    """What has waited for longer than anybody should."""
    txn.execute("DELETE FROM appservice_event WHERE added_at < %(before)s", before=before_ms)
