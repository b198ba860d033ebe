"""Changes of keys, kept for the services that see them.

https://github.com/matrix-org/matrix-spec-proposals/pull/3202
"""

from appservices.interest import HasNews
from appservices.services import Services
from appservices.store.list_changes import put_list_changes, services_seeing
from homeserver.e2ee.device_lists import KeyOwner
from homeserver.runtime.clock import Clock
from homeserver.storage.engine import Transaction


class ServiceDeviceLists:
    """A `ListChangeListener`.

    A service is told of the keys of its own users, and of those who share a room with one of them: nobody else's are
    needed to encrypt.
    """

    def __init__(self, services: Services, has_news: HasNews, clock: Clock) -> None:
        self._services = services
        self._has_news = has_news
        self._clock = clock
        # By position, from the writer's thread to the reactor's.
        self._reached: dict[int, set[str]] = {}

    def changed(self, txn: Transaction, owner: KeyOwner, position: int) -> None:
        """See `ListChangeListener`."""
        services = self._services.telling_of_keys()
        if not services:
            return
        seeing = services_seeing(txn, owner.user_nid)
        told = {one.id for one in services if one.id in seeing or one.may_be(owner.user_id)}
        if told:
            rows = [(service, owner.user_nid, position) for service in told]
            put_list_changes(txn, rows, self._clock.now_ms())
            self._reached[position] = told

    def stored(self, position: int) -> None:
        """See `ListChangeListener`."""
        for service in self._reached.pop(position, ()):
            self._has_news(service)
