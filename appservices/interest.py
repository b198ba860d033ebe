"""Which events are for which services: a read model that follows the rooms.

https://spec.matrix.org/v1.19/application-service-api/#registration
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from appservices.registration import AppService
from appservices.services import Services
from appservices.store.list_changes import put_list_changes
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


class _Move(NamedTuple):
    """Somebody came into a room, or left it."""

    room: int
    user_nid: int
    user_id: UserID
    is_joined: bool
    position: int


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
        rooms = {event.room: event.event.room_id for event in events}
        moves = _moves(txn, events)
        members = services_in(txn, rooms)
        if moves:
            self._count(txn, services, moves)
            for room, added in services_in(txn, rooms).items():
                members.setdefault(room, set()).update(added)
            self._tell_of_sight(txn, members, moves)
        by_name = services_by_name(txn, services, rooms)
        reached = {}
        for event in events:
            among = {
                service.id
                for service in services
                if service.registration.url is not None
                and (
                    service.id in members.get(event.room, ())
                    or service.id in by_name[event.room]
                    or _is_about(service, event)
                )
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

    def _count(self, txn: Transaction, services: Sequence[AppService], moves: Sequence[_Move]) -> None:
        """Follows how many users of each namespace are in each room."""
        counts: Counter[tuple[int, str]] = Counter()
        for move in moves:
            if self._domains.is_local(move.user_id):
                for service in services:
                    if service.may_be(move.user_id):
                        counts[move.room, service.id] += 1 if move.is_joined else -1
        changed = {key: by for key, by in counts.items() if by}
        if changed:
            count_joined(txn, changed, since=min(move.position for move in moves))

    def _tell_of_sight(
        self, txn: Transaction, members: Mapping[int, Collection[str]], moves: Sequence[_Move]
    ) -> None:
        """Whoever comes into sight of a service that encrypts, or goes out of it, is a change of their keys."""
        rows = [
            (service.id, move.user_nid, move.position)
            for service in self._services.telling_of_keys()
            for move in moves
            if service.id in members.get(move.room, ()) and not service.may_be(move.user_id)
        ]
        if rows:
            put_list_changes(txn, rows, self._clock.now_ms())


def services_by_name(
    txn: Transaction, services: Sequence[AppService], rooms: Mapping[int, RoomID]
) -> dict[int, set[str]]:
    """The services whose namespaces have the rooms or their aliases, by room."""
    by_alias = [service for service in services if service.registration.namespaces.aliases]
    found: dict[int, set[str]] = {}
    for room, room_id in rooms.items():
        found[room] = {service.id for service in services if service.rooms.match(room_id)}
        if by_alias:
            aliases = aliases_of_room(txn, room_id)
            found[room] |= {service.id for service in by_alias if any(map(service.aliases.match, aliases))}
    return found


def _moves(txn: Transaction, events: Sequence[Accepted]) -> list[_Move]:
    """Who came and went by the events, in their order."""
    by_room: dict[int, list[tuple[StateChange, int]]] = defaultdict(list)
    for event in events:
        for change in event.changes:
            if change.target is not None:
                by_room[event.room].append((change, event.position))
    moves = []
    for room, changes in by_room.items():
        joined = were_joined(txn, room, {change.target for change, _ in changes if change.target})
        for change, position in changes:
            if change.target is None:
                continue
            user_id, was_joined = joined[change.target]
            is_joined = change.event is not None and change.event.membership == "join"
            joined[change.target] = (user_id, is_joined)
            if is_joined != was_joined:
                moves.append(_Move(room, change.target, user_id, is_joined, position))
    return moves


def _is_about(service: AppService, event: Accepted) -> bool:
    """Whether the event is of one of the service's users, or about one."""
    if service.may_be(event.event.sender):
        return True
    return (
        event.event.type == "m.room.member"
        and event.event.is_state
        and service.may_be(UserID(event.event.slot[1]))
    )
