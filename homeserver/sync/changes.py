"""Which rooms have something new for a user, from memory alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from homeserver.account_data.contents import AccountData
from homeserver.ephemeral.receipts import Receipts
from homeserver.ephemeral.typing_notifications import Typing
from homeserver.push.rules import UserRules
from homeserver.rooms.completed import CompletedRooms
from homeserver.rooms.elsewhere import RoomsElsewhere
from homeserver.rooms.store.members import MemberRow
from homeserver.rooms.tails import Tails
from homeserver.sync.presence import PresenceNews
from homeserver.sync.unread import UnreadNews


@dataclass(slots=True)
class Changes:
    """What may have changed for one user after a position. `joined` have new events or a new membership."""

    joined: list[MemberRow] = field(default_factory=list)
    completed: set[int] = field(default_factory=set)
    """Those of the `joined` (short ids) to which members came behind."""
    typing: list[MemberRow] = field(default_factory=list)
    receipts: list[MemberRow] = field(default_factory=list)
    others: list[MemberRow] = field(default_factory=list)
    """Rooms that the user was invited to, has left, …"""
    unread: list[MemberRow] = field(default_factory=list)
    """Rooms of which the user may have read, or silenced, something."""
    account_data: bool = False
    push_rules: bool = False
    presence: bool = False
    elsewhere: bool = False
    """Something of rooms that are not known here."""

    def is_empty(self) -> bool:
        rooms = self.joined or self.typing or self.receipts or self.others or self.unread
        others = self.account_data or self.push_rules or self.presence or self.elsewhere
        return not (rooms or others)


class ChangeFinder:
    """Asks every source that a sync reads from. Costs a few dictionary look-ups for each room of the user."""

    def __init__(
        self,
        tails: Tails,
        typing: Typing,
        receipts: Receipts,
        account_data: AccountData,
        push_rules: UserRules,
        unread: UnreadNews,
        presence: PresenceNews,
        elsewhere: RoomsElsewhere,
        completed: CompletedRooms,
    ) -> None:
        self._tails = tails
        self._typing = typing
        self._receipts = receipts
        self._account_data = account_data
        self._push_rules = push_rules
        self._unread = unread
        self._presence = presence
        self._elsewhere = elsewhere
        self._completed = completed

    def after(self, position: int, user_nid: int, rooms: Mapping[int, MemberRow]) -> Changes:
        """What may have changed after `position`. `rooms` are all of the user's, by short id."""
        changes = Changes(
            account_data=self._account_data.changed_after(user_nid, position),
            push_rules=self._push_rules.changed_after(user_nid, position),
            presence=self._presence.changed_after(position),
            elsewhere=self._elsewhere.changed_after(user_nid, position),
        )
        for nid, member in rooms.items():
            if member.membership != "join":
                # Forgotten or not: devices must hear that the user is no longer there.
                if member.position > position:
                    changes.others.append(member)
                continue
            is_completed = self._completed.changed_after(nid, position)
            if is_completed:
                changes.completed.add(nid)
            if is_completed or member.position > position or self._tails.changed_after(nid, position):
                changes.joined.append(member)
            if self._typing.changed_after(nid, position):
                changes.typing.append(member)
            if self._receipts.changed_after(nid, position):
                changes.receipts.append(member)
            if self._unread.changed_after(user_nid, nid, position):
                changes.unread.append(member)
        return changes
