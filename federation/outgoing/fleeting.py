"""What a server is told only as it is now: typing, receipts, presence. It does no harm to lose it.

https://spec.matrix.org/v1.19/server-server-api/#typing-notifications and the sections after it
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from homeserver.ephemeral.presence.state import UserPresence, presence_edu
from homeserver.ephemeral.store import READ
from homeserver.ephemeral.threads import UNTHREADED
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonObject

_MOST, _MOST_PRESENCES = 1_000, 500


@dataclass(frozen=True, slots=True)
class TypingNews:
    room_id: RoomID
    user_id: UserID
    is_typing: bool

    @property
    def key(self) -> Hashable:
        return "typing", self.room_id, self.user_id

    def edu(self) -> JsonObject:
        content = {"room_id": self.room_id, "user_id": self.user_id, "typing": self.is_typing}
        return {"edu_type": "m.typing", "content": content}


@dataclass(frozen=True, slots=True)
class ReceiptNews:
    """`ts` is in ms."""

    room_id: RoomID
    user_id: UserID
    thread: str
    event_id: str
    ts: int

    @property
    def key(self) -> Hashable:
        return "receipt", self.room_id, self.user_id, self.thread

    def receipt(self) -> JsonObject:
        data: JsonObject = {"ts": self.ts}
        if self.thread != UNTHREADED:
            data["thread_id"] = self.thread
        return {"data": data, "event_ids": [self.event_id]}


@dataclass(frozen=True, slots=True)
class PresenceNews:
    presence: UserPresence

    @property
    def key(self) -> Hashable:
        return "presence", self.presence.user_id


News = TypingNews | ReceiptNews | PresenceNews


@dataclass(frozen=True, slots=True)
class Taken:
    """What is on its way, as EDUs."""

    news: Sequence[News] = ()
    edus: Sequence[JsonObject] = ()


NOTHING = Taken()


@dataclass(slots=True)
class Fleeting:
    """What waits for one server: of the same thing the newest, and of too many things the newest ones."""

    _news: dict[Hashable, News] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._news)

    def put(self, news: News) -> None:
        self._news.pop(news.key, None)
        self._news[news.key] = news
        if len(self._news) > _MOST:
            del self._news[next(iter(self._news))]

    def take(self, limit: int, now_ms: int) -> Taken:
        """No more EDUs than `limit`; the rest waits."""
        taken = list(islice(self._news.values(), limit))
        if any(isinstance(one, PresenceNews) for one in taken):
            # They take one EDU, however many they are.
            more = [one for one in self._news.values() if isinstance(one, PresenceNews)][:_MOST_PRESENCES]
            taken = [one for one in taken if not isinstance(one, PresenceNews)] + more
        for one in taken:
            del self._news[one.key]
        return Taken(taken, _edus(taken, now_ms))

    def give_back(self, taken: Taken) -> None:
        """What could not be sent waits again, unless there is something newer."""
        newer = self._news
        self._news = {one.key: one for one in taken.news} | newer

    def clear(self) -> None:
        self._news.clear()


def _edus(news: Sequence[News], now_ms: int) -> list[JsonObject]:
    edus = [one.edu() for one in news if isinstance(one, TypingNews)]
    receipts = _receipts(one for one in news if isinstance(one, ReceiptNews))
    edus += [{"edu_type": "m.receipt", "content": content} for content in receipts]
    presences = [one.presence for one in news if isinstance(one, PresenceNews)]
    return [*edus, presence_edu(presences, now_ms)] if presences else edus


def _receipts(news: Iterable[ReceiptNews]) -> list[Mapping[str, JsonObject]]:
    """As few contents as will do: in each, a user has one receipt in a room."""
    contents: list[dict[str, JsonObject]] = []
    for one in news:
        for content in contents:
            if one.user_id not in content.get(one.room_id, {READ: {}})[READ]:
                break
        else:
            content = {}
            contents.append(content)
        content.setdefault(one.room_id, {READ: {}})[READ][one.user_id] = one.receipt()
    return list(contents)
