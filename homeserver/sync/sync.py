"""GET /sync: what happened since the client last asked, waiting for something to happen if need be.

https://spec.matrix.org/v1.19/client-server-api/#syncing
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from homeserver.account_data.store import account_data_changes
from homeserver.ephemeral.edus import receipt_edus, typing_edu
from homeserver.ephemeral.store import receipt_changes
from homeserver.ephemeral.typing_notifications import Typing
from homeserver.http.requester import Requester
from homeserver.protocol.filters import Filter, RoomEventFilter
from homeserver.protocol.json import JsonObject
from homeserver.push.rules import UserRules
from homeserver.rooms.expiry import Expiry
from homeserver.rooms.ignored import IgnoredUsers, is_ignored
from homeserver.rooms.members import Members
from homeserver.rooms.partial import PartialRooms
from homeserver.rooms.seen import Seen
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
from homeserver.sync.answer import Events, Parts, StateName, answer
from homeserver.sync.changes import ChangeFinder, Changes
from homeserver.sync.elsewhere import ElsewhereNews
from homeserver.sync.encryption import EncryptionNews
from homeserver.sync.event_forms import event_form
from homeserver.sync.ignoring import leave_out
from homeserver.sync.presence import PresenceNews
from homeserver.sync.room_delta import Reader, RoomDelta, RoomReads, RoomWork, left_work
from homeserver.sync.unread import UnreadNews
from homeserver.sync.unwanted_invites import UnwantedInvites

_LONGEST_WAIT = 300  # seconds
_DEFAULT_TIMELINE = 10
_LONGEST_TIMELINE = 1000
_MEMBER_BYTES = 100


@dataclass(frozen=True, slots=True)
class SyncWish:
    """`since` is a position, None for a client that knows nothing; `timeout` is in seconds.

    `received` is the position up to which the client has all messages to its device: `since` or less.
    `full_state` asks for all state, `state_name` for that before or after the timeline. `ignored` are users whom the
    requester does not want to hear of.
    """

    since: int | None
    received: int
    timeout: float
    full_state: bool
    state_name: StateName
    filter: Filter
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Reads:
    """What one sync needs from the database, read in one transaction."""

    rooms: Sequence[RoomWork]
    left: Sequence[MemberRow]
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
        self._sent: ByteBudgetCache[tuple[int | None, int], dict[str, int]] = ByteBudgetCache(budget)

    def of(self, device: int | None, room: int) -> dict[str, int]:
        """The users, to be added to by the caller, each with the position of the sync that told of them.

        A client whose token is older never had that answer.
        """
        key = (device, room)
        sent = self._sent.get(key) or {}
        self._sent.put(key, sent, _MEMBER_BYTES * (len(sent) + 2))
        return sent


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
        push_rules: UserRules,
        unread: UnreadNews,
        presence: PresenceNews,
        ignored: IgnoredUsers,
        unwanted: UnwantedInvites,
        encryption: EncryptionNews,
        elsewhere: ElsewhereNews,
        partial: PartialRooms,
        lazy_members: LazyMembers,
        expiry: Expiry,
        clock: Clock,
    ) -> None:
        self._db = db
        self._journal = journal
        self._waiting = waiting
        self._members = members
        self._tails = tails
        self._typing = typing
        self._changes = changes
        self._push_rules = push_rules
        self._unread = unread
        self._presence = presence
        self._ignored = ignored
        self._unwanted = unwanted
        self._encryption = encryption
        self._elsewhere = elsewhere
        self._partial = partial
        self._lazy_members = lazy_members
        self._expiry = expiry
        self._clock = clock

    async def sync(self, requester: Requester, wish: SyncWish) -> msgspec.Raw:
        """The JSON of the answer, as soon as there is something to tell or the time is up."""
        wish = replace(wish, ignored=await self._ignored.of(requester.user_nid))
        if wish.since is None:
            return await self._initial(requester, wish)
        deadline = self._clock.seconds() + min(wish.timeout, _LONGEST_WAIT)
        since, received = wish.since, wish.received
        self._encryption.received(requester, received)
        while True:
            await self._wait_for_members(requester, wish, since)
            rooms = await self._members.rooms_of(requester.user_nid)
            # Read together with what memory says of the rooms, so that both are of one moment.
            upto = self._journal.position
            parts = await self._incremental(requester, wish, rooms, since, upto)
            parts.encryption = await self._encryption.after(requester, rooms, since, received, upto)
            left = deadline - self._clock.seconds()
            if not parts.is_empty() or wish.full_state or left <= 0:
                return await self._answer(requester, wish, parts, upto)
            # What came while we looked may be for this client; then there is nothing to wait for.
            if self._journal.position == upto and not await self._wait(requester, rooms, left):
                return await self._answer(requester, wish, parts, upto)
            since = received = upto
            wish = replace(wish, ignored=await self._ignored.of(requester.user_nid))

    async def _wait(self, requester: Requester, rooms: Mapping[int, MemberRow], seconds: float) -> bool:
        topics: list[tuple[str, int | None]] = [
            ("user", requester.user_nid),
            ("device", requester.device_nid),
        ]
        topics += [("room", nid) for nid, member in rooms.items() if member.membership == "join"]
        with SYNC_WAITING.track_inprogress():
            return await self._waiting.until(topics, seconds)

    async def _wait_for_members(self, requester: Requester, wish: SyncWish, since: int) -> None:
        """Clients that want all members of the rooms they are shown anew get them at once, if they can be had."""
        if not wish.filter.room.state.lazy_load_members:
            rooms = await self._members.rooms_of(requester.user_nid)
            await self._partial.wait_for(
                nid for nid, row in rooms.items() if row.membership == "join" and row.since > since
            )

    async def _initial(self, requester: Requester, wish: SyncWish) -> msgspec.Raw:
        await self._wait_for_members(requester, wish, 0)
        rooms = await self._members.rooms_of(requester.user_nid)
        upto = self._journal.position
        included = [member for member in rooms.values() if wish.filter.room.includes(member.room_id)]
        joined = [member for member in included if member.membership == "join"]
        left = [member for member in included if member.membership in ("leave", "ban")]
        reads = _Reads(
            rooms=[RoomWork(member, 0, upto, full_state=True) for member in joined],
            left=[member for member in left if wish.filter.room.include_leave and not member.forgotten],
            invited=[member for member in included if member.membership == "invite"],
            knocked=[member for member in included if member.membership == "knock"],
            receipts=joined,
            account_data=True,
            after=0,
            upto=upto,
        )
        parts = Parts()
        await self._read(requester, wish, reads, parts)
        await self._elsewhere.add(requester.user_nid, wish.filter.room, None, upto, parts)
        self._add_typing(parts, [member for member in joined if self._typing.typing_users(member.room)])
        parts.presence = await self._presence.everybody(requester, rooms, wish.filter.presence)
        _add_push_rules(parts, await self._push_rules.content(requester))
        leave_out(parts, wish.ignored)
        await self._unwanted.leave_out(requester.user_nid, parts)
        _apply_filter(parts, wish.filter, rooms)
        await self._add_unread(requester, wish, parts)
        parts.encryption = await self._encryption.everything(requester, upto)
        return await self._answer(requester, wish, parts, upto)

    async def _incremental(
        self, requester: Requester, wish: SyncWish, rooms: Mapping[int, MemberRow], since: int, upto: int
    ) -> Parts:
        parts = Parts()
        changes = self._changes.after(since, requester.user_nid, rooms)
        if wish.full_state:
            changes.joined = [row for row in rooms.values() if row.membership == "join"]
        if changes.is_empty():
            return parts
        reads = self._sort_out(requester, wish, changes, since, upto, parts)
        if not reads.is_empty():
            await self._read(requester, wish, reads, parts)
        await self._elsewhere.add(requester.user_nid, wish.filter.room, since, upto, parts)
        self._add_typing(parts, changes.typing)
        parts.presence = await self._presence.after(requester, rooms, since, wish.filter.presence)
        _add_push_rules(parts, await self._push_rules.content_after(requester, since))
        leave_out(parts, wish.ignored)
        await self._unwanted.leave_out(requester.user_nid, parts)
        _apply_filter(parts, wish.filter, rooms)
        candidates = [row.room for row in changes.unread if wish.filter.room.includes(row.room_id)]
        counted = await self._unread.changed_rooms(requester.user_nid, candidates, since, upto)
        _add_quiet_rooms(parts, upto, rooms, counted)
        await self._add_unread(requester, wish, parts)
        return parts

    async def _add_unread(self, requester: Requester, wish: SyncWish, parts: Parts) -> None:
        rooms = [delta.member.room for delta in parts.joined]
        each_thread = wish.filter.room.timeline.counts_threads
        parts.unread = await self._unread.shown(requester.user_nid, rooms, each_thread=each_thread)

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
            if member.since > since:
                works.append(RoomWork(member, 0, upto, full_state=True, gap=True))
            elif wish.full_state or member.room in changes.completed:
                works.append(RoomWork(member, since, upto, wish.full_state, perhaps_completed=True))
            elif (remembered := self._remembered(requester, wish, member, since, upto)) is None:
                works.append(RoomWork(member, since, upto, full_state=False))
            elif remembered.timeline:
                parts.joined.append(remembered)
        others = [member for member in changes.others if included(member.room_id)]
        return _Reads(
            rooms=works,
            left=[member for member in others if member.membership in ("leave", "ban")],
            invited=[member for member in others if member.membership == "invite"],
            knocked=[member for member in others if member.membership == "knock"],
            receipts=[member for member in changes.receipts if included(member.room_id)],
            account_data=changes.account_data,
            after=since,
            upto=upto,
        )

    def _remembered(
        self, requester: Requester, wish: SyncWish, member: MemberRow, since: int, upto: int
    ) -> RoomDelta | None:
        """The room's news from memory, where they are all there and nothing else must be told with them."""
        if wish.filter.room.timeline.asks_relations:
            return None
        events = self._tails.events_after(member.room, since)
        seen = None if events is None else seen_by_member(member, events)
        if seen is None or any(self._must_be_read(one) for one in seen):
            return None
        timeline = wish.filter.room.timeline
        heard = [one for one in seen if not is_ignored(wish.ignored, one.event)]
        passed = [one for one in heard if timeline.includes(member.room_id) and timeline.matches(one.event)]
        if len(passed) > _timeline_limit(wish.filter) or not self._has_members(
            requester, wish, member, passed, since
        ):
            return None
        prev_batch = passed[0].event.position - 1 if passed else upto
        return RoomDelta(member, passed, False, prev_batch)

    def _must_be_read(self, one: Seen) -> bool:
        return one.event.is_state or self._expiry.may_be_expired(one.event.origin_server_ts)

    def _has_members(
        self, requester: Requester, wish: SyncWish, member: MemberRow, timeline: Sequence[Seen], since: int
    ) -> bool:
        """Whether the client has the member events of all who sent the timeline."""
        state = wish.filter.room.state
        if not state.lazy_load_members:
            return True
        if state.include_redundant_members:
            return not timeline
        sent = self._lazy_members.of(requester.device_nid, member.room)
        return all(one.event.sender in sent and sent[one.event.sender] <= since for one in timeline)

    async def _read(self, requester: Requester, wish: SyncWish, reads: _Reads, parts: Parts) -> None:
        """Adds what the database tells to `parts`."""
        room_filter = wish.filter.room
        reader = Reader(
            user_id=requester.user_id,
            user_nid=requester.user_nid,
            device_nid=requester.device_nid,
            timeline=room_filter.timeline,
            state=room_filter.state,
            timeline_limit=_timeline_limit(wish.filter),
            state_after=wish.state_name != "state",
            ignored=wish.ignored,
            expiry=self._expiry,
        )
        known = {
            member.room: self._lazy_members.of(requester.device_nid, member.room)
            for member in (*(work.member for work in reads.rooms), *reads.left)
            if room_filter.state.lazy_load_members
        }
        await self._db.read(_read_all, reader, reads, known, parts)

    def _add_typing(self, parts: Parts, rooms: Sequence[MemberRow]) -> None:
        for member in rooms:
            users = self._typing.typing_users(member.room)
            parts.ephemeral.setdefault(member.room, []).append(typing_edu(users))

    async def _answer(self, requester: Requester, wish: SyncWish, parts: Parts, position: int) -> msgspec.Raw:
        await self._encryption.add_stock(requester, parts.encryption)
        viewer = Viewer(requester.device_nid, self._clock.now_ms())
        form = await event_form(self._db, wish.filter, viewer, [*parts.joined, *parts.left])
        return answer(parts, form, viewer.now_ms, position, wish.state_name)


def _timeline_limit(wish: Filter) -> int:
    limit = wish.room.timeline.limit
    return _DEFAULT_TIMELINE if limit is None else min(limit, _LONGEST_TIMELINE)


def _read_all(
    txn: Transaction, reader: Reader, reads: _Reads, known: Mapping[int, dict[str, int]], parts: Parts
) -> None:
    joined = RoomReads(txn, reader, reads.rooms, known)
    for delta in joined.deltas(reads.rooms):
        if delta.timeline or delta.state or delta.summary:
            parts.joined.append(delta)
    left = [left_work(txn, reader.user_id, member, reads.after) for member in reads.left]
    parts.left.extend(RoomReads(txn, reader, left, known).deltas(left))
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


def _apply_filter(parts: Parts, wish: Filter, rooms: Mapping[int, MemberRow]) -> None:
    """Drops what the client does not want of account data and ephemeral events; events were filtered before."""
    parts.account_data = [event for event in parts.account_data if wish.account_data.passes(event["type"])]

    def wanted(by_room: Events, events: RoomEventFilter) -> Events:
        return {
            room: kept
            for room in by_room.keys() & rooms.keys()
            if wish.room.includes(rooms[room].room_id) and events.includes(rooms[room].room_id)
            if (kept := [event for event in by_room[room] if events.passes(event["type"])])
        }

    parts.room_account_data = wanted(parts.room_account_data, wish.room.account_data)
    parts.ephemeral = wanted(parts.ephemeral, wish.room.ephemeral)


def _add_push_rules(parts: Parts, content: JsonObject | None) -> None:
    if content is not None:
        parts.account_data.append({"type": "m.push_rules", "content": content})


def _add_quiet_rooms(
    parts: Parts, upto: int, rooms: Mapping[int, MemberRow], counted: Collection[int]
) -> None:
    """Rooms without new events in which something else is new; in those `counted`, how much is unread."""
    told = {delta.member.room for delta in (*parts.joined, *parts.left)}
    quiet = {*parts.ephemeral, *parts.room_account_data, *counted} - told
    joined = [rooms[room] for room in quiet if rooms[room].membership == "join"]
    parts.joined.extend(RoomDelta(member, (), False, upto) for member in joined)
