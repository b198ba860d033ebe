"""Which users of this server are in which room: the projection that writes room_inhabitant."""

from collections.abc import Iterable, Sequence

from homeserver.accounts.domains import LocalDomains
from homeserver.rooms.appends import Accepted
from homeserver.rooms.store.inhabitants import add_inhabitants, remove_all_inhabitants, remove_inhabitants
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic


class Inhabitants:
    """So that in rooms of a hundred thousand users elsewhere the few who are here need no search."""

    def __init__(self, domains: LocalDomains) -> None:
        self._domains = domains

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        is_here: dict[tuple[int, int], bool] = {}
        for event in events:
            for change in event.changes:
                if change.target is None:
                    continue
                user_id = change.user_id
                if user_id is None or self._domains.is_local(user_id):
                    is_here[event.room, change.target] = change.membership == "join"
        here = {pair for pair, joined in is_here.items() if joined}
        if here:
            add_inhabitants(txn, here)
        if gone := is_here.keys() - here:
            remove_inhabitants(txn, gone)

    def forget_room(self, txn: Transaction, room: int) -> None:
        remove_all_inhabitants(txn, room)

    def projected(self, _: Sequence[Accepted]) -> Iterable[Topic]:
        return ()
