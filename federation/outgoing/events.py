"""Which events go to which servers: a read model that follows the rooms."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from federation.outgoing.room_servers_store import add_joined, add_moment, servers_after
from federation.outgoing.store import add_destinations, insert_outgoing
from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.identifiers import EventID, ServerName, UserID, server_of
from homeserver.rooms.appends import Accepted, StateChange
from homeserver.rooms.store.members import were_joined
from homeserver.runtime.clock import Clock
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic


class NewsListener(Protocol):
    def news_for(self, server: ServerName, position: int) -> None:
        """An event at this position is to be sent to the server."""


class OutgoingEvents:
    """A projection. It asks for the memberships from before the events, so it comes before `Members`.

    An event is sent to all servers that were in the room before or after it, and to that of a user whose invitation
    or knock it ends. Those of local users are sent, and those that this server is asked to send on behalf of others.
    """

    def __init__(self, domains: LocalDomains, listener: NewsListener, clock: Clock) -> None:
        self._domains = domains
        self._listener = listener
        self._clock = clock
        self._decided: dict[EventID, list[bool]] = {}
        # By position, from the writer's thread to the reactor's.
        self._reached: dict[int, list[ServerName]] = {}

    @contextmanager
    def relaying(self, event_id: EventID) -> Iterator[None]:
        """Meanwhile the event, whoever sent it, goes to the servers in its room: a join through this server."""
        with self._deciding(event_id, is_sent=True):
            yield

    @contextmanager
    def leaving_to_others(self, event_id: EventID) -> Iterator[None]:
        """Meanwhile the event of a local user goes to nobody, as another server sends it: a join through that one."""
        with self._deciding(event_id, is_sent=False):
            yield

    @contextmanager
    def _deciding(self, event_id: EventID, *, is_sent: bool) -> Iterator[None]:
        # A peer that has no answer in time asks again, while the first request is still at work.
        decisions = self._decided.setdefault(event_id, [])
        decisions.append(is_sent)
        try:
            yield
        finally:
            decisions.pop()
            if not decisions:
                self._decided.pop(event_id, None)

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        self._move_servers(txn, events)
        sent = [event for event in events if self._is_sent(event)]
        if not sent:
            return
        for event in sent:
            self._tell_whom_it_turns_away(txn, event)
        servers = servers_after(txn, {event.room for event in sent}, min(event.position for event in sent))
        reached: dict[int, list[ServerName]] = {}
        for event in sent:
            others = [
                server
                for room, server, first, last in servers
                if room == event.room and first <= event.position <= last and server != _origin(event)
            ]
            if others:
                reached[event.position] = others
        rows = [
            (event.position, event.room, event.nid, _origin(event))
            for event in sent
            if event.position in reached
        ]
        insert_outgoing(txn, rows, self._clock.now_ms())
        self._reached |= reached

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        for event in events:
            for server in self._reached.pop(event.position, ()):
                self._listener.news_for(server, event.position)
        return ()

    def _tell_whom_it_turns_away(self, txn: Transaction, event: Accepted) -> None:
        """Nobody else would tell the server of who was invited or has knocked that this has ended."""
        member, before = event.event, None if event.replaces is None else event.replaces.membership
        if member.membership not in ("leave", "ban") or before not in ("invite", "knock"):
            return
        if member.state_key is not None and not self._domains.is_local(member.state_key):
            server = ServerName(server_of(member.state_key))
            add_destinations(txn, [server], event.position - 1)
            add_moment(txn, event.room, server, event.position)

    def _is_sent(self, event: Accepted) -> bool:
        if event.is_told_again:
            return False
        decisions = self._decided.get(event.event.event_id)
        return decisions[-1] if decisions else self._domains.is_local(event.event.sender)

    def _move_servers(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        moves: dict[int, list[tuple[int, StateChange]]] = defaultdict(list)
        for event in events:
            for change in event.changes:
                if self._may_be_elsewhere(change):
                    moves[event.room].append((event.position, change))
        for room, changes in moves.items():
            for position, counts in self._counted(txn, room, changes).items():
                came = [server for server, by in counts.items() if by > 0]
                add_destinations(txn, came, position - 1)
                for server, by in sorted(counts.items()):
                    if by:
                        add_joined(txn, room, server, by, position)
        for event in events:
            add_destinations(txn, list(event.servers), event.position - 1)
            for server, by in event.servers.items():
                add_joined(txn, event.room, server, by, event.position)

    def _counted(
        self, txn: Transaction, room: int, changes: Sequence[tuple[int, StateChange]]
    ) -> Mapping[int, Counter[ServerName]]:
        """How many users more each server has in the room from each position on."""
        # Of a room that is new here nobody has been a member.
        known = {change.target for _, change in changes if change.target and change.from_line is None}
        members: dict[int, tuple[UserID | None, bool]] = {**were_joined(txn, room, known)} if known else {}
        counts: dict[int, Counter[ServerName]] = defaultdict(Counter)
        for position, change in changes:
            if change.target is None:
                continue
            user_id, was_joined = members.get(change.target) or (change.user_id, False)
            is_joined = change.membership == "join"
            members[change.target] = (user_id, is_joined)
            if user_id is not None and is_joined != was_joined and not self._domains.is_local(user_id):
                counts[position][server_of(user_id)] += is_joined - was_joined
        return counts

    def _may_be_elsewhere(self, change: StateChange) -> bool:
        if change.target is None:
            return False
        user_id = change.user_id
        return user_id is None or not self._domains.is_local(user_id)


def _origin(event: Accepted) -> ServerName:
    return ServerName(server_of(event.event.sender))
