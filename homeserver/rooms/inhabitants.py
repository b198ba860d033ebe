"""Which users of this server are in which room: the projection that writes room_inhabitant."""

from collections.abc import Iterable, Sequence

from homeserver.accounts.domains import LocalDomains
from homeserver.rooms.appends import Accepted, StateChange
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
                if change.target is not None and self._may_be_local(change):
                    joined = change.event is not None and change.event.membership == "join"
                    is_here[event.room, change.target] = joined
        here = {pair for pair, joined in is_here.items() if joined}
        if here:
            add_inhabitants(txn, here)
        if gone := is_here.keys() - here:
            remove_inhabitants(txn, gone)

    def forget_room(self, txn: Transaction, room: int) -> None:
        remove_all_inhabitants(txn, room)

    def projected(self, _: Sequence[Accepted]) -> Iterable[Topic]:
        return ()

    def _may_be_local(self, change: StateChange) -> bool:
        """Of a change that leaves no event in its slot, only the short id of the user is known."""
        if change.event is None or change.event.state_key is None:
            return True
        return self._domains.is_local(change.event.state_key)
