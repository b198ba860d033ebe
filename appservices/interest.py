"""Which events are for which services: a read model that follows the rooms.

https://spec.matrix.org/v1.19/application-service-api/#registration
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from appservices.registration import AppService
from appservices.services import Services
from appservices.store.outbox import insert_outgoing
from appservices.store.rooms import count_joined, services_in
from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.rooms.appends import Accepted, StateChange
from homeserver.rooms.store.directory import aliases_of_room
from homeserver.rooms.store.members import were_joined
from homeserver.runtime.clock import Clock
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

HasNews = Callable[[str], None]
"""Told of services (their IDs) that are to be sent something."""


class ServiceEvents:
    """A projection. It asks for the memberships from before the events, so it comes before `Members`.

    A service is sent the events of rooms that its users are in before or after them, that have an alias or an ID of its
    namespaces, and those about its users; one without a URL nothing. Without services it does nothing.
    """

    def __init__(self, services: Services, domains: LocalDomains, has_news: HasNews, clock: Clock) -> None:
        self._services = services
        self._domains = domains
        self._has_news = has_news
        self._clock = clock
        # From the writer's thread to the reactor's.
        self._reached: dict[int, set[str]] = {}

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        services = self._services.all
        if not services:
            return
        before = services_in(txn, {event.room for event in events})
        self._count(txn, services, events)
        after = services_in(txn, {event.room for event in events})
        by_room = self._by_room(txn, services, events)
        reached = {}
        for event in events:
            members = before.get(event.room, set()) | after.get(event.room, set())
            among = {
                service.id
                for service in services
                if service.registration.url is not None
                and (service.id in members or service.id in by_room[event.room] or _is_about(service, event))
            }
            if among:
                reached[event.position] = among
        rows = [
            (service, event.position, event.nid)
            for event in events
            for service in sorted(reached.get(event.position, ()))
        ]
        insert_outgoing(txn, rows, self._clock.now_ms())
        self._reached |= reached

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        for service in set().union(*(self._reached.pop(event.position, set()) for event in events)):
            self._has_news(service)
        return ()

    def _by_room(
        self, txn: Transaction, services: Sequence[AppService], events: Sequence[Accepted]
    ) -> dict[int, set[str]]:
        """The services whose namespaces have the rooms or their aliases."""
        by_alias = [service for service in services if service.registration.namespaces.aliases]
        found: dict[int, set[str]] = {}
        for room, room_id in {event.room: event.event.room_id for event in events}.items():
            found[room] = {service.id for service in services if service.rooms.match(room_id)}
            if by_alias:
                found[room] |= self._by_alias(txn, by_alias, room_id)
        return found

    def _by_alias(self, txn: Transaction, services: Sequence[AppService], room_id: RoomID) -> set[str]:
        aliases = aliases_of_room(txn, room_id)
        return {service.id for service in services if any(map(service.aliases.match, aliases))}

    def _count(self, txn: Transaction, services: Sequence[AppService], events: Sequence[Accepted]) -> None:
        """Follows how many users of each namespace are in each room."""
        moves: dict[int, list[StateChange]] = defaultdict(list)
        for event in events:
            for change in event.changes:
                if change.target is not None:
                    moves[event.room].append(change)
        counts: Counter[tuple[int, str]] = Counter()
        for room, changes in moves.items():
            joined = were_joined(txn, room, {change.target for change in changes if change.target})
            for change in changes:
                if change.target is None:
                    continue
                user_id, was_joined = joined[change.target]
                is_joined = change.event is not None and change.event.membership == "join"
                joined[change.target] = (user_id, is_joined)
                if is_joined != was_joined and self._domains.is_local(user_id):
                    for service in services:
                        if service.may_be(user_id):
                            counts[room, service.id] += is_joined - was_joined
        changed = {key: by for key, by in counts.items() if by}
        if changed:
            count_joined(txn, changed)


def _is_about(service: AppService, event: Accepted) -> bool:
    """Whether the event is of one of the service's users, or about one."""
    if service.may_be(event.event.sender):
        return True
    return (
        event.event.type == "m.room.member"
        and event.event.is_state
        and service.may_be(UserID(event.event.slot[1]))
    )
