"""Local users and rooms in which nobody of this server is: joining, knocking, leaving; and inviting users elsewhere.

https://spec.matrix.org/v1.19/server-server-api/#joining-rooms and the sections after it
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.errors import Forbidden, InvalidParam, Unknown
from homeserver.protocol.identifiers import RoomID, ServerName, UserID, parse_server_name, server_of
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.protocol.stripped import STRIPPED_SLOTS
from homeserver.rooms.draft import Draft, Sent
from homeserver.rooms.elsewhere import RoomsElsewhere
from homeserver.rooms.graph.auth_graph import UnknownEvents
from homeserver.rooms.head import Heads
from homeserver.rooms.ingest import Ingest
from homeserver.rooms.receive import EventReceiver, Received
from homeserver.rooms.remote import JoinedElsewhere, OtherServers
from homeserver.rooms.send import EventSender
from homeserver.rooms.store.elsewhere import ElsewhereRow
from homeserver.rooms.store.events import event_nids
from homeserver.rooms.store.inhabitants import is_inhabited
from homeserver.rooms.store.members import summary_counts
from homeserver.rooms.store.partial import partial_rooms
from homeserver.runtime.locks import KeyedLocks
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction


@dataclass(frozen=True, slots=True)
class Wish:
    """What a local user wants of a room. `via` are servers that may know it, as somebody said."""

    user_id: UserID
    room_id: RoomID
    content: JsonObject
    via: Sequence[str] = ()


class RemoteMemberships:
    """All raise what `OtherServers` do."""

    def __init__(
        self,
        others: OtherServers,
        elsewhere: RoomsElsewhere,
        sender: EventSender,
        receiver: EventReceiver,
        ingest: Ingest,
        heads: Heads,
        domains: LocalDomains,
        db: Database,
    ) -> None:
        self._others = others
        self._elsewhere = elsewhere
        self._sender = sender
        self._receiver = receiver
        self._ingest = ingest
        self._heads = heads
        self._domains = domains
        self._db = db
        self._entering: KeyedLocks[RoomID] = KeyedLocks()

    async def is_here(self, room_id: RoomID) -> bool:
        """Whether this server knows what the room is like: somebody of it is there, or nobody of any server is."""
        if not await self._heads.is_known(room_id):
            return False
        return await self._db.read(_is_here, await self._heads.nid_of(room_id))

    async def enter(self, wish: Wish) -> Sent | None:
        """Joins a room in which nobody of this server is; None where somebody is by now."""
        async with self._entering.held(wish.room_id):
            if await self.is_here(wish.room_id):
                return None
            return await self.join(wish)

    async def join(self, wish: Wish) -> Sent:
        """Joins by way of another server, also a room that this server knows."""
        is_known = await self._heads.is_known(wish.room_id)
        joined = await self._others.join(
            wish.user_id, wish.room_id, await self._servers(wish), wish.content, partially=not is_known
        )
        # The server that took it in tells the others.
        with self._others.leaving_to_others(joined.join.event_id):
            if is_known:
                position = (await self._return(joined)).position
            else:
                missing = joined.servers if joined.is_partial else ()
                position = await self._ingest.enter(joined.join, joined.state, joined.auth_chain, missing)
        return Sent(joined.join.event_id, position)

    async def knock(self, wish: Wish) -> Sent:
        servers = await self._servers(wish)
        knock, stripped = await self._others.knock(wish.user_id, wish.room_id, servers, wish.content)
        return Sent(knock.event_id, await self._elsewhere.put(knock, stripped))

    async def leave(self, wish: Wish) -> Sent | None:
        """Rejects an invitation or withdraws a knock; None where the user has neither elsewhere."""
        row = await self._elsewhere.of(wish.user_id, wish.room_id)
        if row is None or row.membership == "leave":
            return None
        left = await self._others.leave(
            wish.user_id, wish.room_id, await self._servers(wish, row), wish.content
        )
        return Sent(left.event_id, await self._elsewhere.put(left, []))

    async def forget(self, user_id: UserID, room_id: RoomID) -> bool:
        """Whether the user had left, or was put out of, an invitation or a knock. Raises Unknown while there is one."""
        row = await self._elsewhere.of(user_id, room_id)
        if row is not None and row.membership != "leave":
            raise Unknown("Leave the room before you forget it")
        if row is not None:
            await self._elsewhere.forget(user_id, room_id)
        return row is not None

    async def invite(self, draft: Draft) -> Sent:
        """Sends the invitation of a user elsewhere, once their server has signed it. Raises Forbidden."""
        invite = await self._sender.propose(draft)
        signed = await self._others.invite(invite, await self._described(draft.room_id, draft.sender))
        received = await self._receiver.receive(signed)
        return Sent(signed.event_id, _accepted(received).position)

    async def _return(self, joined: JoinedElsewhere) -> Received:
        """Stores the join to a room that was known here before."""
        room_id = joined.join.room_id
        told = [*joined.auth_chain, *joined.state]
        known = await self._db.read(event_nids, [event.event_id for event in told])
        new = [event for event in told if event.event_id not in known]
        if new:
            await self._receiver.add_outliers(room_id, new)
        try:
            received = await self._receiver.receive(joined.join, is_taken_in=True)
        except UnknownEvents:
            given = {event.slot: event.event_id for event in joined.state}
            received = await self._receiver.receive(joined.join, given, is_taken_in=True)
        return _accepted(received)

    async def _servers(self, wish: Wish, row: ElsewhereRow | None = None) -> list[ServerName]:
        """Whom to ask: who was named, who invited, and whoever the invitation tells of; each once.

        Where there is nobody of them, the server that the room's ID names: most old rooms still live there.
        """
        row = row or await self._elsewhere.of(wish.user_id, wish.room_id)
        told = [] if row is None else [row.sender, *_senders(decode_json(row.stripped))]
        named = [*wish.via, *_servers_of(told)] or _servers_of([wish.room_id])
        return list(dict.fromkeys(name for name in _proper(named) if not self._domains.speaks_for(name)))

    async def _described(self, room_id: RoomID, inviter: UserID) -> list[JsonObject]:
        """What the room says of itself to somebody who is invited, and who invites, as PDUs."""
        head = await self._heads.get(room_id)
        slots = [*STRIPPED_SLOTS, ("m.room.member", str(inviter))]
        await self._heads.load(head, slots)
        return [event.pdu() for slot in slots if (event := head.get(slot)) is not None]


def _is_here(txn: Transaction, room: int) -> bool:
    if is_inhabited(txn, room):
        return True
    joined, _ = summary_counts(txn, [room]).get(room, (0, 0))
    return not joined and not partial_rooms(txn, room)


def _accepted(received: Received) -> Received:
    if received.refusal is not None:
        raise Forbidden(received.refusal.reason)
    return received


def _senders(stripped: Iterable[JsonObject]) -> list[str]:
    return [str(event.get("sender")) for event in stripped]


def _servers_of(identifiers: Iterable[str]) -> list[str]:
    """Of those that name one; room IDs of version 12 do not."""
    return [server_of(one) for one in identifiers if ":" in one]


def _proper(names: Iterable[str]) -> list[ServerName]:
    proper = []
    for name in names:
        try:
            proper.append(parse_server_name(name))
        except InvalidParam:
            # What clients got from links may be anything.
            continue
    return proper
