"""Who is in a room, as follows from the changes of its line."""

from collections.abc import Mapping

from homeserver.rooms.store.whole_rooms import Membership
from homeserver.rooms.verification.events import Known, RoomEvents, Undecided
from homeserver.rooms.verification.line import Step

_MEMBER = "m.room.member"


class MemberReplay:
    """The members after the changes that were fed to it."""

    def __init__(self, events: RoomEvents) -> None:
        self._events = events
        self.members: dict[int, Membership] = {}
        """By the short ids of users."""
        self.unsure: set[int] = set()
        """Users whose membership stands in an event that cannot be read."""

    def begin(self, cause: Known, first: Mapping[int, int]) -> None:
        """The line begins with a state, event by slot, which came with the event `cause`."""
        for nid in first.values():
            self._change(cause, nid, nid)

    def follow(self, cause: Known, step: Step) -> None:
        for slot, nid in step.changes.items():
            stood = nid if nid is not None else step.earlier.get(slot)
            if stood is not None:
                self._change(cause, stood, nid)

    def _change(self, cause: Known, stood: int, nid: int | None) -> None:
        """`stood` is an event of the slot that `nid` takes."""
        try:
            known = cause if stood == cause.row.nid else self._events.known(stood)
        except Undecided:
            return
        target = known.row.target
        if target is None or known.row.slot_type != _MEMBER:
            return
        if nid is not None and known.event is None:
            self.unsure.add(target)
            return
        self.unsure.discard(target)
        membership = (None if nid is None or known.event is None else known.event.membership) or "leave"
        self._enter(target, membership, cause, cause.row.nid if nid is None else nid)

    def _enter(self, target: int, membership: str, cause: Known, nid: int) -> None:
        position = cause.row.position
        assert position is not None, "only events of the timeline change the line"
        before = self.members.get(target)
        goes_on = before is not None and before.membership == membership
        since = before.since if before is not None and goes_on else position
        self.members[target] = Membership(membership, nid, position, since)
