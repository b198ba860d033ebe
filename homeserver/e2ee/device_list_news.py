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
            if any(change.target is not None for change in event.changes):
                self._changed.record(event.room, event.position)
        return ()


@dataclass(frozen=True, slots=True)
class ListWork:
    """What must be looked at. `changed` is None where memory does not know whose keys changed.

    Rooms are short ids: those that the viewer `entered` or `left`, and those where others came or went (`moved`).
    """

    viewer: int
    after: int
    upto: int
    changed: Sequence[UserID] | None
    entered: Sequence[int]
    moved: Sequence[int]
    left: Sequence[int]


@dataclass(slots=True)
class ListNews:
    """The users in `device_lists`."""

    changed: list[UserID] = field(default_factory=list)
    left: list[UserID] = field(default_factory=list)

    def is_empty(self) -> bool:
        return not (self.changed or self.left)


class DeviceListNews:
    """Says from memory whether there is anything to tell."""

    def __init__(self, lists: DeviceLists, moves: ComingsAndGoings) -> None:
        self._lists = lists
        self._moves = moves

    def after(self, position: int, upto: int, viewer: int, rooms: Mapping[int, MemberRow]) -> ListWork | None:
        """`rooms` are all of the viewer's; None where nothing is new after `position`."""
        recent = self._lists.recent_after(position)
        changed = None if recent is None else _seen(recent, upto, viewer, rooms)
        entered, moved, left = [], [], []
        for nid, member in rooms.items():
            if member.membership != "join":
                if member.since > position and member.membership in ("leave", "ban"):
                    left.append(nid)
            elif member.since > position:
                entered.append(nid)
            elif self._moves.after(nid, position):
                moved.append(nid)
        if changed == [] and not (entered or moved or left):
            return None
        return ListWork(viewer, position, upto, changed, entered, moved, left)


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
    """COMPAT(synapse): users of rooms without encryption are told too, as the specification allows."""
    changed = set(
        changed_users(txn, work.viewer, work.after, work.upto) if work.changed is None else work.changed
    )
    if not (work.entered or work.moved or work.left):
        return ListNews(sorted(changed), [])
    arrived = joined_users(txn, work.entered, -1) | joined_users(txn, work.moved, work.after)
    gone = departed_users(txn, [*work.moved, *work.left], work.after)
    gone.update(joined_users(txn, work.left, -1))
    left = out_of_sight(txn, work.viewer, gone)
    arrived.pop(work.viewer, None)
    changed.update(arrived.values())
    return ListNews(sorted(changed.difference(left)), sorted(left))
