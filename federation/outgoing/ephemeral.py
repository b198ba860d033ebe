"""Typing, receipts and presence of users here, told to the servers in their rooms."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from federation.outgoing.fleeting import News, PresenceNews, ReceiptNews, TypingNews
from federation.outgoing.room_servers_store import servers_now
from homeserver.accounts.domains import LocalDomains
from homeserver.ephemeral.presence.state import UserPresence
from homeserver.ephemeral.store import READ, ReceiptKey
from homeserver.protocol.identifiers import RoomID, ServerName, UserID
from homeserver.runtime.clock import Clock, DelayedCall
from homeserver.runtime.tasks import run_in_background
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_GATHERING_SECONDS = 0.1
# Synapse forgets after 60 s who types.
_REPEATED_SECONDS = 40.0

Tell = Callable[[Mapping[ServerName, Sequence[News]]], None]


@dataclass(slots=True)
class _Gathered:
    """By room, and for presence by user, who is in several rooms."""

    typing: dict[tuple[int, UserID], bool] = field(default_factory=dict)
    receipts: dict[ReceiptKey, tuple[str, int]] = field(default_factory=dict)
    presence: dict[int, tuple[UserPresence, set[int]]] = field(default_factory=dict)

    def rooms(self) -> set[int]:
        found = {room for room, _ in self.typing} | {key.room_nid for key in self.receipts}
        return found.union(*(rooms for _, rooms in self.presence.values()))


@dataclass(frozen=True, slots=True)
class _Names:
    """Of rooms that other servers are in: these servers and the ID, by short id; of users, their IDs."""

    servers: Mapping[int, Sequence[ServerName]]
    room_ids: Mapping[int, RoomID]
    user_ids: Mapping[int, UserID]


class OutgoingEphemeral:
    """An `EphemeralListener`. What happens within a moment is looked up, and sent, together."""

    def __init__(self, domains: LocalDomains, tell: Tell, db: Database, clock: Clock) -> None:
        self._domains = domains
        self._tell = tell
        self._db = db
        self._clock = clock
        self._gathered = _Gathered()
        self._gathering: DelayedCall | None = None
        self._repeats: dict[tuple[int, UserID], DelayedCall] = {}

    def typing_changed(self, room: int, user_id: UserID, *, is_typing: bool) -> None:
        """See `EphemeralListener`."""
        if not self._domains.is_local(user_id):
            return
        repeat = self._repeats.pop((room, user_id), None)
        if repeat is not None:
            repeat.cancel()
        if is_typing:
            self._repeats[room, user_id] = self._clock.call_later(
                _REPEATED_SECONDS, self._repeat_typing, room, user_id
            )
        self._gathered.typing[room, user_id] = is_typing
        self._gather()

    def receipt_moved(self, key: ReceiptKey, event_id: str, ts: int) -> None:
        """See `EphemeralListener`."""
        if key.type == READ:
            self._gathered.receipts[key] = (event_id, ts)
            self._gather()

    def presence_changed(
        self, presences: Sequence[UserPresence], rooms: Mapping[int, Collection[int]]
    ) -> None:
        """See `EphemeralListener`."""
        for one in presences:
            if self._domains.is_local(one.user_id):
                _, told_in = self._gathered.presence.get(one.user_nid, (one, set[int]()))
                self._gathered.presence[one.user_nid] = (one, told_in.union(rooms[one.user_nid]))
                self._gather()

    def stop(self) -> None:
        """Tells of nothing any more."""
        for timer in (self._gathering, *self._repeats.values()):
            if timer is not None and timer.active():
                timer.cancel()
        self._repeats.clear()

    def _repeat_typing(self, room: int, user_id: UserID) -> None:
        del self._repeats[room, user_id]
        self.typing_changed(room, user_id, is_typing=True)

    def _gather(self) -> None:
        if self._gathering is None:
            self._gathering = self._clock.call_later(_GATHERING_SECONDS, self._tell_gathered)

    def _tell_gathered(self) -> None:
        gathered, self._gathered, self._gathering = self._gathered, _Gathered(), None
        run_in_background("typing, receipts and presence", self._tell_all(gathered))

    async def _tell_all(self, gathered: _Gathered) -> None:
        readers = {key.user_nid for key in gathered.receipts}
        names = await self._db.read(_names, gathered.rooms(), readers)
        news: dict[ServerName, dict[News, None]] = {}
        for rooms, one in self._news(gathered, names):
            for room in rooms:
                for server in names.servers.get(room, ()):
                    news.setdefault(server, {})[one] = None
        self._tell({server: list(theirs) for server, theirs in news.items()})

    def _news(self, gathered: _Gathered, names: _Names) -> Iterator[tuple[Collection[int], News]]:
        for (room, user_id), is_typing in gathered.typing.items():
            if room in names.servers:
                yield [room], TypingNews(names.room_ids[room], user_id, is_typing)
        for key, (event_id, ts) in gathered.receipts.items():
            reader = names.user_ids[key.user_nid]
            if key.room_nid in names.servers and self._domains.is_local(reader):
                yield (
                    [key.room_nid],
                    ReceiptNews(names.room_ids[key.room_nid], reader, key.thread, event_id, ts),
                )
        for presence, rooms in gathered.presence.values():
            yield rooms, PresenceNews(presence)


def _names(txn: Transaction, rooms: Collection[int], users: Collection[int]) -> _Names:
    servers = servers_now(txn, rooms)
    room_ids = txn.rows("SELECT nid, room_id FROM room WHERE nid IN %(rooms)s", rooms=list(servers))
    user_ids = txn.rows("SELECT nid, user_id FROM known_user WHERE nid IN %(users)s", users=list(users))
    return _Names(
        servers,
        {nid: RoomID(room_id) for nid, room_id in room_ids},
        {nid: UserID(user_id) for nid, user_id in user_ids},
    )
