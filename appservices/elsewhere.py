"""Invitations of services' users to rooms elsewhere, and how those end, kept for their services."""

from collections.abc import Iterator, Sequence

from appservices.interest import HasNews
from appservices.services import Services
from appservices.store.outbox import ELSEWHERE, insert_outgoing
from homeserver.rooms.store.elsewhere import ElsewhereRow
from homeserver.rooms.timeline_event import event_key
from homeserver.runtime.clock import Clock
from homeserver.storage.engine import Transaction


class ServiceElsewhere:
    """An `ElsewhereListener`."""

    def __init__(self, services: Services, has_news: HasNews, clock: Clock) -> None:
        self._services = services
        self._has_news = has_news
        self._clock = clock

    def changing(self, txn: Transaction, rows: Sequence[ElsewhereRow]) -> None:
        """See `ElsewhereListener`."""
        outgoing = [(service, row.position, ELSEWHERE) for service, row in self._for_services(rows)]
        if outgoing:
            insert_outgoing(txn, outgoing, self._clock.now_ms())

    def changed(self, rows: Sequence[ElsewhereRow]) -> None:
        """See `ElsewhereListener`."""
        for service in {service for service, _ in self._for_services(rows)}:
            self._has_news(service)

    def _for_services(self, rows: Sequence[ElsewhereRow]) -> Iterator[tuple[str, ElsewhereRow]]:
        for service in self._services.all:
            if service.registration.url is not None:
                for row in rows:
                    if service.may_be(event_key(row.event).state_key or ""):
                        yield service.id, row
