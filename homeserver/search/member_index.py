"""What rooms tell the user directory: which are public, and how users of other servers call themselves.

https://spec.matrix.org/v1.19/client-server-api/#user-directory
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.rooms.appends import Accepted
from homeserver.search.store.users import (
    IndexedUser,
    delete_public_room,
    delete_unread_room,
    delete_words,
    index_users,
    joined_members,
    not_indexed_as,
    put_unread_room,
    unread_room,
    update_public_room,
)
from homeserver.search.words import words_of_user
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

_DECIDE = ("m.room.join_rules", "m.room.history_visibility")
_MOST_AT_ONCE = 400


class MemberIndex:
    """A projection of rooms."""

    def __init__(self, domains: LocalDomains) -> None:
        self._domains = domains
        self._many_came: Callable[[], None] = lambda: None

    def listen(self, many_came: Callable[[], None]) -> None:
        """Who calls `take_up_some`; told when there is something to take up."""
        self._many_came = many_came

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        members: list[tuple[int, UserID, JsonObject]] = []
        for event in events:
            if any(change.target is None and _may_decide(change.event) for change in event.changes):
                update_public_room(txn, event.room)
            came = list(_joined(event))
            if len(came) > _MOST_AT_ONCE:
                # Nobody who writes to rooms has to wait for the directory.
                put_unread_room(txn, event.room)
            else:
                members += came
        self._take_up(txn, members)

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """Nobody waits for the directory."""
        if any(len(event.changes) > _MOST_AT_ONCE for event in events):
            self._many_came()
        return ()

    def forget_room(self, txn: Transaction, room: int) -> None:
        """Forgets whether the room is public. Its members may be in others too."""
        delete_public_room(txn, room)
        delete_unread_room(txn, room)

    def _take_up(self, txn: Transaction, members: Iterable[tuple[int, UserID, JsonObject]]) -> None:
        """A user of another server is called as they call themselves in the room that they came into last.

        Each is a short id, the ID, and the content of the member event.
        """
        users = {
            user_nid: _user(user_nid, user_id, content)
            for user_nid, user_id, content in members
            if not self._domains.is_local(user_id)
        }
        if not users:
            return
        new, changed = not_indexed_as(txn, users.values())
        if changed:
            delete_words(txn, [user.user_nid for user in changed])
        if taken_up := [*new, *changed]:
            index_users(txn, [(user, words_of_user(user.user_id, user.displayname)) for user in taken_up])

    def take_up_room(self, txn: Transaction, room: int) -> None:
        """As its state is now, and to be read with its members."""
        update_public_room(txn, room)
        put_unread_room(txn, room)

    def take_up_some(self, txn: Transaction) -> None:
        """Some members of a room that is to be read, as they are now."""
        unread = unread_room(txn)
        if unread is None:
            return
        room, after_user = unread
        members = joined_members(txn, room, after_user, _MOST_AT_ONCE)
        self._take_up(
            txn, [(nid, user_id, decode_json(client)["content"]) for nid, user_id, client in members]
        )
        if len(members) < _MOST_AT_ONCE:
            delete_unread_room(txn, room)
        else:
            put_unread_room(txn, room, members[-1][0])


def _may_decide(event: Event | None) -> bool:
    """Whether the event may make a room public, or no longer so; without one, what did is gone."""
    return event is None or event.type in _DECIDE


def _joined(event: Accepted) -> Iterator[tuple[int, UserID, JsonObject]]:
    for change in event.changes:
        if change.target is not None and (came := change.event) and came.membership == "join":
            yield change.target, UserID(came.slot[1]), came.content


def _user(user_nid: int, user_id: UserID, content: JsonObject) -> IndexedUser:
    name, avatar_url = content.get("displayname"), content.get("avatar_url")
    return IndexedUser(
        user_nid,
        user_id,
        is_local=False,
        displayname=name if isinstance(name, str) else None,
        avatar_url=avatar_url if isinstance(avatar_url, str) else None,
    )
