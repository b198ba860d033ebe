"""Typing, receipts and presence, told to the services that they concern.

https://spec.matrix.org/v1.19/application-service-api/#pushing-ephemeral-data
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from appservices.fleeting import EphemeralNews
from appservices.interest import services_by_name
from appservices.registration import AppService
from appservices.services import Services
from appservices.store.rooms import services_in
from homeserver.ephemeral.presence.state import UserPresence
from homeserver.ephemeral.store import ReceiptKey
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.rooms.store.heads import room_ids_of
from homeserver.runtime.clock import Clock, DelayedCall
from homeserver.runtime.tasks import run_in_background
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_GATHERING_SECONDS = 0.1

Tell = Callable[[str, EphemeralNews], None]
"""Told what there is for a service (its ID)."""


@dataclass(slots=True)
class _Gathered:
    """Rooms are short ids; presence is by user, with the rooms in which it is news."""

    typing: set[int] = field(default_factory=set)
    receipts: set[int] = field(default_factory=set)
    presence: dict[int, tuple[UserPresence, set[int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Concerned:
    """The services (their IDs) that rooms concern, by short id: `in_room` by their users alone."""

    in_room: Mapping[int, Collection[str]]
    by_name: Mapping[int, Collection[str]]
    room_ids: Mapping[int, RoomID]


class ServiceEphemeral:
    """An `EphemeralListener`. What happens within a moment is looked up together."""

    def __init__(self, services: Services, tell: Tell, db: Database, clock: Clock) -> None:
        self._services = services
        self._tell = tell
        self._db = db
        self._clock = clock
        self._typing: dict[int, set[UserID]] = {}
        self._gathered = _Gathered()
        self._gathering: DelayedCall | None = None

    def typing_changed(self, room: int, user_id: UserID, *, is_typing: bool) -> None:
        """See `EphemeralListener`."""
        typing = self._typing.setdefault(room, set())
        (typing.add if is_typing else typing.discard)(user_id)
        if not typing:
            del self._typing[room]
        self._gathered.typing.add(room)
        self._gather()

    def receipt_moved(self, key: ReceiptKey, event_id: str, ts: int) -> None:
        """See `EphemeralListener`."""
        self._gathered.receipts.add(key.room_nid)
        self._gather()

    def presence_changed(
        self, presences: Sequence[UserPresence], rooms: Mapping[int, Collection[int]]
    ) -> None:
        """See `EphemeralListener`."""
        for one in presences:
            _, told_in = self._gathered.presence.get(one.user_nid, (one, set[int]()))
            self._gathered.presence[one.user_nid] = (one, told_in.union(rooms[one.user_nid]))
            self._gather()

    def stop(self) -> None:
        """Tells of nothing any more."""
        if self._gathering is not None and self._gathering.active():
            self._gathering.cancel()

    def _gather(self) -> None:
        if not self._services.telling_ephemeral():
            self._gathered = _Gathered()
        elif self._gathering is None:
            self._gathering = self._clock.call_later(_GATHERING_SECONDS, self._tell_gathered)

    def _tell_gathered(self) -> None:
        gathered, self._gathered, self._gathering = self._gathered, _Gathered(), None
        run_in_background("what services are told beside events", self._tell_all(gathered))

    async def _tell_all(self, gathered: _Gathered) -> None:
        services = self._services.telling_ephemeral()
        concerned = await self._db.read(_concerned, services, gathered)
        for service in services:
            news = self._news(service, gathered, concerned)
            if news.typing or news.presences or news.receipts_in:
                self._tell(service.id, news)

    def _news(self, service: AppService, gathered: _Gathered, concerned: _Concerned) -> EphemeralNews:
        rooms = {
            room
            for services in (concerned.in_room, concerned.by_name)
            for room, ids in services.items()
            if service.id in ids
        }
        return EphemeralNews(
            {
                concerned.room_ids[room]: sorted(self._typing.get(room, ()))
                for room in sorted(gathered.typing & rooms)
            },
            [
                presence
                for presence, told_in in gathered.presence.values()
                if service.may_be(presence.user_id) or not rooms.isdisjoint(told_in)
            ],
            gathered.receipts & rooms,
        )


def _concerned(txn: Transaction, services: Sequence[AppService], gathered: _Gathered) -> _Concerned:
    rooms = gathered.typing | gathered.receipts
    # Rooms that a service knows only by name are not looked at for presence: users may be in very many.
    room_ids = room_ids_of(txn, rooms)
    return _Concerned(
        services_in(txn, rooms.union(*(told_in for _, told_in in gathered.presence.values()))),
        services_by_name(txn, services, room_ids),
        room_ids,
    )
