"""Events of rooms, as far as pushers have to do with them (a Projection that writes nothing)."""

from collections.abc import Iterable, Sequence

from homeserver.push.pushers.distribution import Distribution
from homeserver.push.pushers.recipients import Recipients
from homeserver.rooms.appends import Accepted
from homeserver.rooms.store.elsewhere import ElsewhereRow
from homeserver.storage.engine import Transaction
from homeserver.streams.journal import Topic


class PushNews:
    def __init__(self, recipients: Recipients, distribution: Distribution, *, is_on: bool) -> None:
        self._recipients = recipients
        self._distribution = distribution
        self._is_on = is_on

    def changing(self, txn: Transaction, rows: Sequence[ElsewhereRow]) -> None:
        """See `ElsewhereListener`: invitations are found where they are stored."""

    def changed(self, rows: Sequence[ElsewhereRow]) -> None:
        """See `ElsewhereListener`."""
        if self._is_on and any(row.membership == "invite" for row in rows):
            self._distribution.news()

    def project(self, txn: Transaction, events: Sequence[Accepted]) -> None:
        """Nothing: what notifies is written down once for all (`Notifying`)."""

    def projected(self, events: Sequence[Accepted]) -> Iterable[Topic]:
        is_news = False
        for event in events:
            is_news = is_news or self._recipients.may_be_in(event.room)
            for change in event.changes:
                if change.target is not None:
                    self._recipients.moved(event.room, change.target)
                    # Who is invited is not in the room.
                    is_news = True
        if is_news and self._is_on:
            self._distribution.news()
        return ()
