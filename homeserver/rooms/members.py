"""Who is in which room: the projection that writes room_member, and the memory that needs no query."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from homeserver.protocol.errors import Forbidden, NotFound
from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.rooms.appends import Accepted, StateChange
from homeserver.rooms.head import Heads
from homeserver.rooms.store.members import (
    MemberRow,
    add_to_summaries,
    member_row,
    rooms_of_user,
    set_forgotten,
    upsert_members,
)
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.database import Database
from homeserver.storage.dictionary import Dictionary
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

_ROW_BYTES = 300

UserRooms = dict[int, MemberRow]
"""A user's rooms by their short ids."""


class Members:
    """Current memberships. Rooms that a user never had to do with are absent."""

    def __init__(
        self,
        db: Database,
        users: Dictionary[UserID],
        heads: Heads,
        budget: int,
        *,
        forget_on_leave: bool = False,
    ) -> None:
        """`budget` is in bytes. `forget_on_leave` forgets rooms for those who leave them or are put out."""
        self._forget_on_leave = forget_on_leave
        self._db = db
        self._users = users
        self._heads = heads
        self._by_user: ByteBudgetCache[int, UserRooms] = ByteBudgetCache(budget)
        self._loading: dict[int, object] = {}

    def start_at(self, _: int) -> None:
        """Nothing is known, whatever was known before."""
        self._by_user.clear()
        self._loading.clear()

    async def rooms_of(self, user_nid: int) -> Mapping[int, MemberRow]:
        """Every room that the user has a membership in, by the room's short id."""
        while (rooms := self._by_user.get(user_nid)) is None:
            # Shared by all who read at the same time: otherwise each would take the attempt from another.
            attempt = self._loading.setdefault(user_nid, object())
            rows = await self._db.read(rooms_of_user, user_nid)
            # A change that came while the rows were read took the attempt away; then they are read again.
            if self._loading.get(user_nid) is attempt:
                del self._loading[user_nid]
                self._keep(user_nid, {row.room: row for row in rows})
        return rooms

    async def membership(self, room: int, user_nid: int) -> MemberRow | None:
        """The user's membership in the room (short id); None where there never was one."""
        return (await self.rooms_of(user_nid)).get(room)

    async def require_joined(self, room_id: RoomID, user_id: UserID) -> int:
        """The room's short id. Raises Forbidden where the user is not joined, or there is no such room."""
        try:
            head = await self._heads.get(room_id)
        except NotFound:
            raise Forbidden("You are not joined to this room") from None
        row = await self.membership(head.nid, await self._users.nid_of(user_id))
        if row is None or row.membership != "join":
            raise Forbidden("You are not joined to this room")
        return head.nid

    async def share_a_room(self, user_nid: int, other_nid: int) -> bool:
        """Whether both users are joined to the same room."""
        ours, theirs = await self.rooms_of(user_nid), await self.rooms_of(other_nid)
        shared = ours.keys() & theirs.keys()
        return any(ours[room].membership == theirs[room].membership == "join" for room in shared)

    async def room_ids(self, user_nid: int, membership: str) -> list[RoomID]:
        """The rooms in which the user has this membership."""
        rows = (await self.rooms_of(user_nid)).values()
        return [row.room_id for row in rows if row.membership == membership]

    async def joined_room_ids(self, user_id: UserID) -> set[RoomID]:
        """The rooms that a user is joined to."""
        # Not made: other servers may ask for anybody.
        user_nid = await self._users.find(user_id)
        return set() if user_nid is None else set(await self.room_ids(user_nid, "join"))

    async def forget(self, room: int, user_nid: int) -> None:
        """The user no longer wants to see a room that was left."""
        await self._db.write(set_forgotten, room, user_nid)
        self._loading.pop(user_nid, None)
        rooms = self._by_user.get(user_nid)
        if rooms is not None and room in rooms:
            rooms[room] = rooms[room]._replace(forgotten=True)

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Writes the newest membership of each user in each room, and what it does to the counts."""
        rows: dict[tuple[int, int], MemberRow] = {}
        counts: dict[int, Counter[str]] = defaultdict(Counter)
        for event, change, target in _changes_of_members(events):
            key = (event.room, target)
            # Of a room that is new here nobody has been a member.
            is_first = change.from_line is not None
            before = rows.get(key) or (None if is_first else member_row(txn, *key))
            after = rows[key] = self._row(event, change, target, before)
            counts[event.room][after.membership] += 1
            if before is not None:
                counts[event.room][before.membership] -= 1
        if rows:
            upsert_members(txn, list(rows.values()))
            add_to_summaries(txn, {room: (by["join"], by["invite"]) for room, by in counts.items()})

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """Wakes the users whose memberships changed."""
        topics: list[Topic] = []
        for event, change, target in _changes_of_members(events):
            topics.append(("user", target))
            rooms = self._by_user.get(target)
            if rooms is not None:
                row = self._row(event, change, target, rooms.get(event.room))
                rooms[event.room] = row
                self._keep(target, rooms)
            self._loading.pop(target, None)
        return topics

    def _row(self, cause: Accepted, change: StateChange, target: int, before: MemberRow | None) -> MemberRow:
        membership = change.membership
        goes_on = before is not None and before.membership == membership
        return MemberRow(
            room=cause.room,
            room_id=cause.event.room_id,
            user_nid=target,
            membership=membership,
            event=change.nid,
            position=cause.position,
            since=before.since if before is not None and goes_on else cause.position,
            forgotten=self._forget_on_leave and membership in ("leave", "ban"),
        )

    def _keep(self, user_nid: int, rooms: UserRooms) -> UserRooms:
        self._by_user.put(user_nid, rooms, _ROW_BYTES * (len(rooms) + 1))
        return rooms


def _changes_of_members(events: Sequence[Accepted]) -> Iterator[tuple[Accepted, StateChange, int]]:
    """Each with the short id of the user."""
    for event in events:
        for change in event.changes:
            if change.target is not None:
                yield event, change, change.target
