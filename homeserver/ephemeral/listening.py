"""Who tells others than the clients of this server what happens here. Implemented by federation and appservices."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from homeserver.ephemeral.presence.state import UserPresence
from homeserver.ephemeral.store import ReceiptKey
from homeserver.protocol.identifiers import UserID


class EphemeralListener(Protocol):
    """Told of users here and elsewhere, in the reactor's thread, once it is true. Rooms and users are short ids."""

    def typing_changed(self, room: int, user_id: UserID, *, is_typing: bool) -> None:
        """A user began to type, or ended."""

    def receipt_moved(self, key: ReceiptKey, event_id: str, ts: int) -> None:
        """A receipt, perhaps a private one, was moved to an event at a time in ms."""

    def presence_changed(
        self, presences: Sequence[UserPresence], rooms: Mapping[int, Collection[int]]
    ) -> None:
        """Presences became news in these rooms, by user."""


class AllListen:
    """Several who listen, one after the other."""

    def __init__(self, listeners: Sequence[EphemeralListener]) -> None:
        self._listeners = listeners

    def typing_changed(self, room: int, user_id: UserID, *, is_typing: bool) -> None:
        for listener in self._listeners:
            listener.typing_changed(room, user_id, is_typing=is_typing)

    def receipt_moved(self, key: ReceiptKey, event_id: str, ts: int) -> None:
        for listener in self._listeners:
            listener.receipt_moved(key, event_id, ts)

    def presence_changed(
        self, presences: Sequence[UserPresence], rooms: Mapping[int, Collection[int]]
    ) -> None:
        for listener in self._listeners:
            listener.presence_changed(presences, rooms)
