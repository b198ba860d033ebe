"""Who is in a room, as follows from the changes of its line."""

from collections.abc import Mapping
from contextlib import suppress

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
        for known in self._events.several(first.values()):
            self._change(cause, known, known.row.nid)

    def follow(self, cause: Known, step: Step) -> None:
        for slot, nid in step.changes.items():
            stood = nid if nid is not None else step.earlier.get(slot)
            if stood == cause.row.nid:
                self._change(cause, cause, nid)
            elif stood is not None:
                # What is not in the room is told of as a span of an unknown event.
                with suppress(Undecided):
                    self._change(cause, self._events.known(stood), nid)

    def _change(self, cause: Known, known: Known, nid: int | None) -> None:
        """`known` is an event of the slot that `nid` takes."""
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
