"""GET /sync: what happened since the client last asked, waiting for something to happen if need be.

https://spec.matrix.org/v1.19/client-server-api/#syncing
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from homeserver.account_data.store import account_data_changes
from homeserver.ephemeral.edus import receipt_edus, typing_edu
from homeserver.ephemeral.store import receipt_changes
from homeserver.ephemeral.typing_notifications import Typing
from homeserver.http.requester import Requester
from homeserver.protocol.filters import Filter
from homeserver.protocol.json import JsonObject
from homeserver.rooms.members import Members
from homeserver.rooms.store.members import MemberRow
from homeserver.rooms.stripped import stripped_state
from homeserver.rooms.tails import Tails
from homeserver.rooms.timeline_event import Viewer
from homeserver.rooms.visibility import seen_by_member
from homeserver.runtime.clock import Clock
from homeserver.runtime.metrics import SYNC_WAITING
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Journal
from homeserver.streams.waiting import Waiting
from homeserver.sync.answer import Parts, answer
from homeserver.sync.changes import ChangeFinder, Changes
from homeserver.sync.room_delta import Reader, RoomDelta, RoomReads, RoomWork

_LONGEST_WAIT = 300  # seconds
_DEFAULT_TIMELINE = 10
_LONGEST_TIMELINE = 1000
_MEMBER_BYTES = 100


@dataclass(frozen=True, slots=True)
class SyncWish:
    """`since` is a position, None for a client that knows nothing; `timeout` is in seconds."""

    since: int | None
    timeout: float
    full_state: bool
    filter: Filter


@dataclass(frozen=True, slots=True)
class _Reads:
    """What one sync needs from the database, read in one transaction."""

    rooms: Sequence[RoomWork]
    left: Sequence[RoomWork]
    invited: Sequence[MemberRow]
    knocked: Sequence[MemberRow]
    receipts: Sequence[MemberRow]
    account_data: bool
    after: int
    upto: int

    def is_empty(self) -> bool:
        wanted = (self.rooms, self.left, self.invited, self.knocked, self.receipts, self.account_data)
        return not any(wanted)


class LazyMembers:
    """Which member events a device was sent, so that they are not sent again with every message."""

    def __init__(self, budget: int) -> None:
        """`budget` is in bytes."""
        self._sent: ByteBudgetCache[tuple[int | None, int], set[str]] = ByteBudgetCache(budget)

    def of(self, device: int | None, room: int) -> set[str]:
        """The users, to be added to by the caller."""
        key = (device, room)
        sent = self._sent.get(key) or set()
        self._sent.put(key, sent, _MEMBER_BYTES * (len(sent) + 2))
        return sent

    def forget(self, device: int | None, room: int) -> None:
        """The device begins anew in the room, as after an initial sync."""
        self._sent.discard((device, room))


class Syncer:
    """Reads all that clients are told. Writes nothing."""

    def __init__(
        self,
        db: Database,
        journal: Journal,
        waiting: Waiting,
        members: Members,
        tails: Tails,
        typing: Typing,
        changes: ChangeFinder,
        lazy_members: LazyMembers,
        clock: Clock,
    ) -> None:
        self._db = db
        self._journal = journal
        self._waiting = waiting
        self._members = members
        self._tails = tails
        self._typing = typing
        self._changes = changes
        self._lazy_members = lazy_members
        self._clock = clock

    async def sync(self, requester: Requester, wish: SyncWish) -> msgspec.Raw:
        """The JSON of the answer, as soon as there is something to tell or the time is up."""
        if wish.since is None:
            return await self._initial(requester, wish)
        deadline = self._clock.seconds() + min(wish.timeout, _LONGEST_WAIT)
        since = wish.since
        while True:
            rooms = await self._members.rooms_of(requester.user_nid)
            # Read together with what memory says of the rooms, so that both are of one moment.
            upto = self._journal.position
            parts = await self._incremental(requester, wish, rooms, since, upto)
            left = deadline - self._clock.seconds()
            if not parts.is_empty() or wish.full_state or left <= 0:
                return answer(parts, self._viewer(requester), upto)
            # What came while we looked may be for this client; then there is nothing to wait for.
            if self._journal.position == upto and not await self._wait(requester, rooms, left):
                return answer(parts, self._viewer(requester), upto)
            since = upto

    async def _wait(self, requester: Requester, rooms: Mapping[int, MemberRow], seconds: float) -> bool:
        topics: list[tuple[str, int]] = [("user", requester.user_nid)]
        topics += [("room", nid) for nid, member in rooms.items() if member.membership == "join"]
        with SYNC_WAITING.track_inprogress():
            return await self._waiting.until(topics, seconds)

    async def _initial(self, requester: Requester, wish: SyncWish) -> msgspec.Raw:
        rooms = await self._members.rooms_of(requester.user_nid)
        upto = self._journal.position
        included = [member for member in rooms.values() if wish.filter.room.includes(member.room_id)]
        joined = [member for member in included if member.membership == "join"]
        left = [member for member in included if member.membership in ("leave", "ban")]
        reads = _Reads(
            rooms=[RoomWork(member, 0, upto, full_state=True) for member in joined],
            left=[_left_work(member, 0) for member in left if not member.forgotten]
            if wish.filter.room.include_leave
            else [],
            invited=[member for member in included if member.membership == "invite"],
            knocked=[member for member in included if member.membership == "knock"],
            receipts=joined,
            account_data=True,
            after=0,
            upto=upto,
        )
        for member in joined:
            self._lazy_members.forget(requester.device_nid, member.room)
        parts = await self._read(requester, wish, reads, Parts())
        self._add_typing(parts, [member for member in joined if self._typing.typing_users(member.room)])
        return answer(parts, self._viewer(requester), upto)

    async def _incremental(
        self, requester: Requester, wish: SyncWish, rooms: Mapping[int, MemberRow], since: int, upto: int
    ) -> Parts:
        if wish.full_state:
            changes = Changes(joined=[row for row in rooms.values() if row.membership == "join"])
        else:
            changes = self._changes.after(since, requester.user_nid, rooms)
            if changes.is_empty():
                return Parts()
        parts = Parts()
        reads = self._sort_out(requester, wish, changes, since, upto, parts)
        if not reads.is_empty():
            await self._read(requester, wish, reads, parts)
        self._add_typing(parts, changes.typing)
        _add_quiet_rooms(parts, [*changes.typing, *changes.receipts], upto, rooms)
        return parts

    def _sort_out(
        self,
        requester: Requester,
        wish: SyncWish,
        changes: Changes,
        since: int,
        upto: int,
        parts: Parts,
    ) -> _Reads:
        """Adds the rooms that memory can tell of to `parts`; what is left must be read."""
        included = wish.filter.room.includes
        works = []
        for member in changes.joined:
            if not included(member.room_id):
                continue
            new_to_client = member.since > since
            remembered = (
                None if new_to_client or wish.full_state else self._remembered(member, wish, since, upto)
            )
            if remembered is None:
                full = new_to_client or wish.full_state
                works.append(RoomWork(member, 0 if new_to_client else since, upto, full_state=full))
            elif remembered.timeline:
                parts.joined.append(remembered)
        others = [member for member in changes.others if included(member.room_id)]
        return _Reads(
            rooms=works,
            left=[_left_work(member, since) for member in others if member.membership in ("leave", "ban")],
            invited=[member for member in others if member.membership == "invite"],
            knocked=[member for member in others if member.membership == "knock"],
            receipts=[member for member in changes.receipts if included(member.room_id)],
            account_data=changes.account_data,
            after=since,
            upto=upto,
        )

    def _remembered(self, member: MemberRow, wish: SyncWish, since: int, upto: int) -> RoomDelta | None:
        """The room's news from memory, where they are all there and nothing else must be told with them."""
        room_filter = wish.filter.room
        events = self._tails.events_after(member.room, since)
        if events is None or room_filter.state.lazy_load_members:
            return None
        seen = seen_by_member(member, events)
        if seen is None or any(event.key.type == "m.room.member" for event in events):
            return None
        passed = [one for one in seen if room_filter.timeline.matches(one.event)]
        if len(passed) > _timeline_limit(wish.filter):
            return None
        prev_batch = passed[0].event.position - 1 if passed else upto
        return RoomDelta(member, passed, False, prev_batch)

    async def _read(self, requester: Requester, wish: SyncWish, reads: _Reads, parts: Parts) -> Parts:
        room_filter = wish.filter.room
        reader = Reader(
            user_id=requester.user_id,
            user_nid=requester.user_nid,
            device_nid=requester.device_nid,
            timeline=room_filter.timeline,
            state=room_filter.state,
            timeline_limit=_timeline_limit(wish.filter),
        )
        known = {
            work.member.room: self._lazy_members.of(requester.device_nid, work.member.room)
            for work in (*reads.rooms, *reads.left)
            if room_filter.state.lazy_load_members
        }
        await self._db.read(_read_all, reader, reads, known, parts)
        _filter_account_data(parts, wish.filter)
        return parts

    def _add_typing(self, parts: Parts, rooms: Sequence[MemberRow]) -> None:
        for member in rooms:
            users = self._typing.typing_users(member.room)
            parts.ephemeral.setdefault(member.room, []).append(typing_edu(users))

    def _viewer(self, requester: Requester) -> Viewer:
        return Viewer(requester.device_nid, self._clock.now_ms())


def _left_work(member: MemberRow, since: int) -> RoomWork:
    """The room up to the event by which the user left it. A room that was not joined since begins anew."""
    return RoomWork(member, since, member.position, full_state=since == 0)


def _timeline_limit(wish: Filter) -> int:
    limit = wish.room.timeline.limit
    return _DEFAULT_TIMELINE if limit is None else min(limit, _LONGEST_TIMELINE)


def _read_all(
    txn: Transaction, reader: Reader, reads: _Reads, known: Mapping[int, set[str]], parts: Parts
) -> None:
    joined = RoomReads(txn, reader, reads.rooms, known)
    for delta in joined.deltas(reads.rooms):
        if delta.timeline or delta.state or delta.summary:
            parts.joined.append(delta)
    left = RoomReads(txn, reader, reads.left, known)
    parts.left.extend(left.deltas(reads.left))
    parts.invited = {member.room_id: stripped_state(txn, member) for member in reads.invited}
    parts.knocked = {member.room_id: stripped_state(txn, member) for member in reads.knocked}
    if reads.receipts:
        rooms = [member.room for member in reads.receipts]
        changed = receipt_changes(txn, rooms, reads.after, reads.upto)
        for room, edu in receipt_edus(changed, reader.user_id).items():
            parts.ephemeral.setdefault(room, []).append(edu)
    if reads.account_data:
        for room, type_, content in account_data_changes(txn, reader.user_nid, reads.after, reads.upto):
            event: JsonObject = {"type": type_, "content": msgspec.Raw(content)}
            if room:
                parts.room_account_data.setdefault(room, []).append(event)
            else:
                parts.account_data.append(event)


def _add_quiet_rooms(
    parts: Parts, ephemeral: Sequence[MemberRow], upto: int, rooms: Mapping[int, MemberRow]
) -> None:
    """Rooms without new events in which something else is new."""
    told = {delta.member.room for delta in (*parts.joined, *parts.left)}
    quiet = {member.room: member for member in ephemeral if member.room in parts.ephemeral}
    for room in parts.room_account_data:
        member = rooms.get(room)
        if member is not None and member.membership == "join":
            quiet[room] = member
    parts.joined.extend(RoomDelta(quiet[room], (), False, upto) for room in quiet.keys() - told)


def _filter_account_data(parts: Parts, wish: Filter) -> None:
    parts.account_data = [event for event in parts.account_data if wish.account_data.passes(event["type"])]
    parts.room_account_data = {
        room: [event for event in events if wish.room.account_data.passes(event["type"])]
        for room, events in parts.room_account_data.items()
    }
