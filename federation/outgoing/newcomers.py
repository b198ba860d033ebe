"""Presence as newcomers have to be told of it, as nothing has changed about those who were there before.

https://spec.matrix.org/v1.19/server-server-api/#presence
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from federation.outgoing.ephemeral import Tell
from federation.outgoing.fleeting import PresenceNews
from federation.outgoing.room_servers_store import came_at, servers_now
from homeserver.accounts.domains import LocalDomains
from homeserver.ephemeral.presence.store import inhabitants_present
from homeserver.protocol.identifiers import ServerName, server_of
from homeserver.rooms.appends import Accepted
from homeserver.runtime.clock import Clock, DelayedCall
from homeserver.runtime.tasks import run_in_background
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

# A server has to take in the room that it joins before it knows whom it is told of.
_SECONDS = 5.0
# As many are told at once; of rooms with more, those who come later tell of themselves.
_MOST = 500

Came = tuple[int, ServerName, int]
"""A room, a server of which a user has come in, and the position at which that was."""


class PresenceForNewcomers:
    """A projection, after `OutgoingEvents`: a server that comes into a room is told who is there.

    So are those that are in it, where a user of this server comes in.
    """

    def __init__(self, domains: LocalDomains, tell: Tell, db: Database, clock: Clock) -> None:
        self._domains = domains
        self._tell = tell
        self._db = db
        self._clock = clock
        self._servers: set[Came] = set()
        self._users: set[tuple[int, int | None]] = set()
        self._gathering: DelayedCall | None = None

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Nothing to write."""

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        for event in events:
            self._servers |= {(event.room, server, event.position) for server in self._came(event)}
            if self._is_arrival(event):
                self._users.add((event.room, event.short_ids.target))
        if self._gathering is None and (self._servers or self._users):
            self._gathering = self._clock.call_later(_SECONDS, self._tell_gathered)
        return ()

    def stop(self) -> None:
        """Tells of nothing any more."""
        if self._gathering is not None and self._gathering.active():
            self._gathering.cancel()

    def _came(self, event: Accepted) -> Iterator[ServerName]:
        yield from event.servers
        for change in event.changes:
            member = change.event
            if change.target is None or member is None or member.membership != "join":
                continue
            if member.state_key is not None and not self._domains.is_local(member.state_key):
                yield ServerName(server_of(member.state_key))

    def _is_arrival(self, event: Accepted) -> bool:
        """Of a user of this server."""
        was = None if event.replaces is None else event.replaces.membership
        member = event.event
        is_join = member.membership == "join" and was != "join" and event.short_ids.target is not None
        return is_join and member.state_key is not None and self._domains.is_local(member.state_key)

    def _tell_gathered(self) -> None:
        servers, users = self._servers, self._users
        self._servers, self._users, self._gathering = set(), set(), None
        run_in_background("presence for newcomers", self._tell_all(servers, users))

    async def _tell_all(self, servers: Collection[Came], users: Collection[tuple[int, int | None]]) -> None:
        told = await self._db.read(_news, servers, users)
        if told:
            self._tell({server: list(dict.fromkeys(news)) for server, news in told.items()})


def _news(
    txn: Transaction, servers: Collection[Came], users: Collection[tuple[int, int | None]]
) -> dict[ServerName, list[PresenceNews]]:
    told: dict[ServerName, list[PresenceNews]] = {}
    new = came_at(txn, servers)
    for room in {room for room, _ in new}:
        present = [PresenceNews(one) for one in inhabitants_present(txn, room, _MOST)]
        for server in (server for its_room, server in new if its_room == room):
            told.setdefault(server, []).extend(present)
    there = servers_now(txn, {room for room, _ in users})
    for room, user_nid in users:
        if room in there and user_nid is not None:
            own = [PresenceNews(one) for one in inhabitants_present(txn, room, 1, user_nid)]
            for server in there[room]:
                told.setdefault(server, []).extend(own)
    return {server: news for server, news in told.items() if news}
