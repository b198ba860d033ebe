"""What rooms tell the user directory: which are public, and how users of other servers call themselves.

https://spec.matrix.org/v1.19/client-server-api/#user-directory
"""

from collections.abc import Iterable, Sequence

from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.rooms.appends import Accepted
from homeserver.search.store.users import (
    IndexedUser,
    delete_public_room,
    index_users,
    joined_members,
    not_indexed_as,
    update_public_room,
)
from homeserver.search.words import words_of_user
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic

_DECIDE = ("m.room.join_rules", "m.room.history_visibility")


class MemberIndex:
    """A projection of rooms."""

    def __init__(self, domains: LocalDomains) -> None:
        self._domains = domains

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        members: list[tuple[int, UserID, JsonObject]] = []
        for event in events:
            for change in event.changes:
                if change.target is None and (change.event is None or change.event.type in _DECIDE):
                    update_public_room(txn, event.room)
                elif change.target is not None and (came := change.event) and came.membership == "join":
                    members.append((change.target, UserID(came.slot[1]), came.content))
        self._take_up(txn, members)

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        """Nobody waits for the directory."""
        return ()

    def forget_room(self, txn: Transaction, room: int) -> None:
        """Forgets whether the room is public. Its members may be in others too."""
        delete_public_room(txn, room)

    def _take_up(self, txn: Transaction, members: Iterable[tuple[int, UserID, JsonObject]]) -> None:
        """A user of another server is called as they call themselves in the room that they came into last.

        Each is a short id, the ID, and the content of the member event.
        """
        users = {
            user_nid: _user(user_nid, user_id, content)
            for user_nid, user_id, content in members
            if not self._domains.is_local(user_id)
        }
        changed = not_indexed_as(txn, users.values()) if users else ()
        if changed:
            index_users(txn, [(user, words_of_user(user.user_id, user.displayname)) for user in changed])

    def take_up_room(self, txn: Transaction, room: int) -> None:
        """As its members and its state are now."""
        update_public_room(txn, room)
        self._take_up(
            txn,
            (
                (user_nid, user_id, decode_json(client)["content"])
                for user_nid, user_id, client in joined_members(txn, room)
            ),
        )


def _user(user_nid: int, user_id: UserID, content: JsonObject) -> IndexedUser:
    name, avatar_url = content.get("displayname"), content.get("avatar_url")
    return IndexedUser(
        user_nid,
        user_id,
        is_local=False,
        displayname=name if isinstance(name, str) else None,
        avatar_url=avatar_url if isinstance(avatar_url, str) else None,
    )
