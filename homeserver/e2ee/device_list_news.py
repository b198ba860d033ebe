"""What one user is told of the device lists of others: whose keys changed, who came into sight, who went out of it.

https://spec.matrix.org/v1.19/client-server-api/#e2e-extensions-to-sync
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from homeserver.e2ee.device_lists import DeviceLists, RecentChange
from homeserver.e2ee.store.device_lists import (
    EVERYBODY,
    changed_users,
    departed_users,
    joined_users,
    out_of_sight,
)
from homeserver.protocol.identifiers import UserID
from homeserver.rooms.appends import Accepted
from homeserver.rooms.completed import CompletedRooms
from homeserver.rooms.store.completed import completed_between
from homeserver.rooms.store.members import MemberRow
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic
from homeserver.streams.last_changed import LastChanged


class ComingsAndGoings:
    """A projection without a table: it remembers in which rooms memberships changed."""

    def __init__(self) -> None:
        self._changed: LastChanged[int] = LastChanged()

    def start_at(self, position: int) -> None:
        """Nothing is known of changes up to `position`, whatever was known before."""
        self._changed.start_at(position)

    def after(self, room: int, position: int) -> bool:
        """Whether somebody may have come or gone after `position`."""
        return self._changed.after(room, position)

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Nothing to write."""

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        for event in events:
            # Members that are filled in were there all along; of them `CompletedRooms` knows.
            if not event.is_told_again and any(change.target is not None for change in event.changes):
                self._changed.record(event.room, event.position)
        return ()


@dataclass(frozen=True, slots=True)
class ListWork:
    """What must be looked at. `changed` is None where memory does not know whose keys changed.

    Rooms are short ids: those that the viewer `entered` or `left`, those where others came or went (`moved`), and those
    to which members may have come behind (`completed`).
    """

    viewer: int
    after: int
    upto: int
    changed: Sequence[UserID] | None
    entered: Sequence[int]
    moved: Sequence[int]
    left: Sequence[int]
    completed: Sequence[int]

    @property
    def has_rooms(self) -> bool:
        return bool(self.entered or self.moved or self.left or self.completed)


@dataclass(slots=True)
class ListNews:
    """The users in `device_lists`."""

    changed: list[UserID] = field(default_factory=list)
    left: list[UserID] = field(default_factory=list)

    def is_empty(self) -> bool:
        return not (self.changed or self.left)


class DeviceListNews:
    """Says from memory whether there is anything to tell."""

    def __init__(self, lists: DeviceLists, moves: ComingsAndGoings, completed: CompletedRooms) -> None:
        self._lists = lists
        self._moves = moves
        self._completed = completed

    def after(self, position: int, upto: int, viewer: int, rooms: Mapping[int, MemberRow]) -> ListWork | None:
        """`rooms` are all of the viewer's; None where nothing is new after `position`."""
        recent = self._lists.recent_after(position)
        changed = None if recent is None else _seen(recent, upto, viewer, rooms)
        entered, moved, left, completed = [], [], [], []
        for nid, member in rooms.items():
            if member.membership != "join":
                if member.since > position and member.membership in ("leave", "ban"):
                    left.append(nid)
            elif member.since > position:
                entered.append(nid)
            else:
                if self._moves.after(nid, position):
                    moved.append(nid)
                if self._completed.changed_after(nid, position):
                    completed.append(nid)
        work = ListWork(viewer, position, upto, changed, entered, moved, left, completed)
        return work if changed != [] or work.has_rooms else None


def _seen(
    recent: Sequence[RecentChange], upto: int, viewer: int, rooms: Mapping[int, MemberRow]
) -> list[UserID]:
    def is_seen(change: RecentChange) -> bool:
        if change.seen_by != EVERYBODY:
            return change.seen_by == viewer
        return change.owner.user_nid == viewer or any(
            room in rooms and rooms[room].membership == "join" for room in change.rooms
        )

    return [change.owner.user_id for change in recent if change.position <= upto and is_seen(change)]


def read_lists(txn: Transaction, work: ListWork) -> ListNews:
    """COMPAT(synapse): users of rooms without encryption are told too, as the specification allows.

    Who enters a room is told of themself as well: their other devices are among those who see each other there.
    """
    changed = set(
        changed_users(txn, work.viewer, work.after, work.upto) if work.changed is None else work.changed
    )
    if not work.has_rooms:
        return ListNews(sorted(changed), [])
    # Whoever was not known to be there is news, as to somebody who enters the room.
    new = [*work.entered, *completed_between(txn, work.completed, work.after, work.upto)]
    arrived = joined_users(txn, new, -1) | joined_users(txn, work.moved, work.after)
    gone = departed_users(txn, [*work.moved, *work.left], work.after)
    gone.update(joined_users(txn, work.left, -1))
    left = out_of_sight(txn, work.viewer, gone)
    if not work.entered:
        arrived.pop(work.viewer, None)
    changed.update(arrived.values())
    return ListNews(sorted(changed.difference(left)), sorted(left))
