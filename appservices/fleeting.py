"""What a service is sent only as it is now: who types, who is there. It does no harm to lose it.

https://spec.matrix.org/v1.19/application-service-api/#pushing-ephemeral-data
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from homeserver.ephemeral.edus import typing_edu
from homeserver.ephemeral.presence.state import UserPresence, presence_event
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonValue

K = TypeVar("K")
V = TypeVar("V")

_MOST = 1_000
_SENT_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class EphemeralNews:
    """For one service: who types in rooms, who is there, and in which rooms (short ids) receipts moved."""

    typing: Mapping[RoomID, Sequence[UserID]] = field(default_factory=dict)
    presences: Sequence[UserPresence] = ()
    receipts_in: Collection[int] = ()


NOTHING_EPHEMERAL = EphemeralNews()


class Fleeting:
    """What waits for one service: of each room and user the newest, and of too many the newest ones."""

    def __init__(self) -> None:
        self._typing: dict[RoomID, Sequence[UserID]] = {}
        self._presences: dict[UserID, UserPresence] = {}

    def __bool__(self) -> bool:
        return bool(self._typing or self._presences)

    def put(self, news: EphemeralNews) -> None:
        self._typing = _newest(self._typing, news.typing)
        self._presences = _newest(self._presences, {one.user_id: one for one in news.presences})

    def take(self, now_ms: int) -> list[JsonValue]:
        """As events, not too many; the rest waits."""
        typing, self._typing = _split(self._typing)
        presences, self._presences = _split(self._presences)
        return [
            *({"room_id": room_id, **typing_edu(user_ids)} for room_id, user_ids in typing.items()),
            *(presence_event(presence, now_ms) for presence in presences.values()),
        ]


class MovedReceipts:
    """The rooms (short ids) in which receipts may have moved since the service was last sent them all."""

    def __init__(self) -> None:
        self._rooms: dict[int, int] = {}
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._rooms)

    def add(self, rooms: Collection[int]) -> None:
        self._count += 1
        self._rooms |= dict.fromkeys(rooms, self._count)

    def look(self) -> tuple[list[int], int]:
        """The rooms, and a number by which `sent` knows which were meant."""
        return list(self._rooms), self._count

    def sent(self, number: int) -> None:
        """All receipts are on their way, but of rooms that were added since."""
        self._rooms = {room: added for room, added in self._rooms.items() if added > number}


def _newest(before: Mapping[K, V], news: Mapping[K, V]) -> dict[K, V]:
    things = {key: thing for key, thing in before.items() if key not in news} | dict(news)
    return dict(list(things.items())[-_MOST:])


def _split(things: dict[K, V]) -> tuple[dict[K, V], dict[K, V]]:
    items = list(things.items())
    return dict(items[:_SENT_AT_ONCE]), dict(items[_SENT_AT_ONCE:])
