"""What a pusher is told: an event that notifies, with what people call its room and its sender."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from homeserver.protocol.identifiers import RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.push_rules import Actions
from homeserver.push.notifications import Notifications
from homeserver.push.store.names import NamedMembers, display_names, names_of_rooms
from homeserver.push.store.pushers import Pusher
from homeserver.rooms.timeline_event import TimelineEvent
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database
from homeserver.storage.engine import Transaction

_AT_ONCE = 50
_TOO_OLD_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """The same for all who are told. `ts` is when this server had it, in ms."""

    event: TimelineEvent
    content: JsonObject
    room_id: RoomID
    room_name: str | None
    room_alias: str | None
    sender_name: str | None
    is_space: bool
    ts: int
    members: NamedMembers | None = None

    def room_name_for(self, user_id: UserID) -> str | None:
        """The room's name; where it has none, nor an alias, what it is called by who else is in it."""
        if self.room_name or self.room_alias or self.members is None:
            return self.room_name
        return self.members.without(user_id)


@dataclass(frozen=True, slots=True)
class Alert:
    """`actions` are what the user's rules do."""

    told: ToldEvent
    actions: Actions

    @property
    def position(self) -> int:
        return self.told.event.position

    @property
    def tweaks(self) -> JsonObject:
        """https://spec.matrix.org/v1.19/client-server-api/#actions"""
        return {
            action["set_tweak"]: action.get("value", True)
            for action in self.actions
            if isinstance(action, dict) and "set_tweak" in action
        }

    @property
    def is_urgent(self) -> bool:
        """Whether people are to be disturbed, or may have to be: nobody here knows what an encrypted event does."""
        tweaks = self.tweaks
        return bool(
            self.told.event.type == "m.room.encrypted" or tweaks.get("highlight") or tweaks.get("sound")
        )


def told_events(txn: Transaction, events: Sequence[TimelineEvent], times: dict[int, int]) -> list[ToldEvent]:
    """In the same order. `times` are by position."""
    rooms = {event.room for event in events}
    named = names_of_rooms(txn, rooms)
    people = display_names(txn, rooms, {event.sender for event in events})
    return [
        ToldEvent(
            event,
            event.content,
            named[event.room].room_id,
            named[event.room].name,
            named[event.room].alias,
            people.get((event.room, event.sender)),
            named[event.room].is_space,
            times[event.position],
            named[event.room].members,
        )
        for event in events
    ]


class Invited(Protocol):
    def __call__(self, txn: Transaction, user_nid: int, after: int, upto: int, /) -> Sequence[Alert]:
        """Of a user, at after < position <= upto, in that order."""


class OwedAlerts:
    """Reads what a pusher is owed, one user at a time."""

    def __init__(self, notifications: Notifications, invited: Invited, db: Database, clock: Clock) -> None:
        """`invited` finds invitations to rooms elsewhere."""
        self._notifications = notifications
        self._invited = invited
        self._db = db
        self._clock = clock

    async def after(
        self, pusher: Pusher, after: int, upto: int, kept_ms: int = _TOO_OLD_MS
    ) -> tuple[Sequence[Alert], int]:
        """The oldest of what came at after < position <= upto, and the position up to which that is all.

        What was read meanwhile is left out, and what is a day old: nobody wants to be told of it any more.
        `kept_ms` is another age than a day.
        """
        found = await self._notifications.after(pusher.user_nid, max(after, pusher.since), upto, _AT_ONCE)
        end = found[-1].event.position if len(found) == _AT_ONCE else upto
        oldest = self._clock.now_ms() - kept_ms
        wanted = [one for one in found if not one.read and one.ts > oldest]
        times = {one.event.position: one.ts for one in wanted}
        told = await self._db.read(told_events, [one.event for one in wanted], times) if wanted else []
        alerts = [Alert(event, one.actions) for event, one in zip(told, wanted, strict=True)]
        invitations = await self._db.read(self._invited, pusher.user_nid, max(after, pusher.since), end)
        alerts += [alert for alert in invitations if alert.told.ts > oldest]
        return sorted(alerts, key=attrgetter("position")), end
