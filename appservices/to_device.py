"""Messages to devices of services' users, kept for their services.

https://github.com/matrix-org/matrix-spec-proposals/pull/4203
"""

from collections.abc import Iterator, Sequence

from appservices.interest import HasNews
from appservices.services import Services
from appservices.store.messages import insert_outgoing_messages
from homeserver.e2ee.to_device import Addressed
from homeserver.runtime.clock import Clock
from homeserver.storage.engine import Transaction


class ServiceMessages:
    """A `MessageListener`. Which services ask for messages is said by what they ask for beside events."""

    def __init__(self, services: Services, has_news: HasNews, clock: Clock) -> None:
        self._services = services
        self._has_news = has_news
        self._clock = clock

    def sent(self, txn: Transaction, messages: Sequence[Addressed]) -> None:
        """See `MessageListener`."""
        rows = [(service, one.position, one.device_nid) for service, one in self._for_services(messages)]
        if rows:
            insert_outgoing_messages(txn, rows, self._clock.now_ms())

    def stored(self, messages: Sequence[Addressed]) -> None:
        """See `MessageListener`."""
        for service in {service for service, _ in self._for_services(messages)}:
            self._has_news(service)

    def _for_services(self, messages: Sequence[Addressed]) -> Iterator[tuple[str, Addressed]]:
        for service in self._services.telling_ephemeral():
            for message in messages:
                if service.may_be(message.user_id):
                    yield service.id, message
