"""Making the services of the registration files known to the database."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from appservices.registration import AppService, network_name
from appservices.store.outbox import delete_services, namespaces, put_service
from appservices.store.rooms import count_joined, forget_rooms, joined_local_users
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import encode_json
from homeserver.rooms.store.published import delete_lists
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Placed, Topic


class RegisteringKind:
    """An `EntryKind`, so that it is certain which events came before a service, and which after it.

    Where a service is new, or has another namespace, the rooms of its users are counted: that goes through all
    memberships of this server's users, once.
    """

    def __init__(self, server_name: ServerName) -> None:
        self._server_name = server_name

    def count(self, entry: Sequence[AppService]) -> int:
        return 1

    def store(self, txn: Transaction, batch: Sequence[Placed[Sequence[AppService]]]) -> None:
        for placed in batch:
            self._store(txn, placed.entry, placed.position)

    def stored(self, batch: Sequence[Placed[Sequence[AppService]]]) -> Iterable[Topic]:
        """Nobody waits for it."""
        return ()

    def _store(self, txn: Transaction, services: Sequence[AppService], position: int) -> None:
        known = namespaces(txn)
        gone = known.keys() - {service.id for service in services}
        delete_services(txn, gone)
        for service_id in gone:
            delete_lists(txn, network_name(service_id, ""))
        changed = [service for service in services if known.get(service.id) != _namespace(service)]
        for service in changed:
            put_service(txn, service.id, _namespace(service), position)
            forget_rooms(txn, service.id)
        if changed:
            self._count(txn, changed)

    def _count(self, txn: Transaction, services: Sequence[AppService]) -> None:
        counts: dict[tuple[int, str], int] = {}
        for room, user_id in joined_local_users(txn, self._server_name):
            for service in services:
                if service.may_be(user_id):
                    counts[room, service.id] = counts.get((room, service.id), 0) + 1
        if counts:
            count_joined(txn, counts, since=0)


def _namespace(service: AppService) -> bytes:
    users = [namespace.regex for namespace in service.registration.namespaces.users]
    return blake2b(encode_json([service.sender, users]), digest_size=16).digest()
