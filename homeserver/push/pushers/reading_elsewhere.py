"""Numbers on apps of users who have read something on another device."""

from homeserver.push.pushers.distribution import Distribution
from homeserver.push.pushers.lines import Lines
from homeserver.push.pushers.recipients import Recipients


class ReadingElsewhere:
    """Collects who has read something, and tells their pushers of all that together."""

    def __init__(self, lines: Lines, distribution: Distribution, recipients: Recipients) -> None:
        self._lines = lines
        self._distribution = distribution
        self._recipients = recipients
        self._readers: set[int] = set()

    def has_read(self, user_nid: int) -> None:
        """The user's receipts have moved."""
        self._readers.add(user_nid)

    async def tell(self) -> None:
        """For a task that runs every second."""
        readers, self._readers = self._readers, set()
        if not readers:
            return
        for pushers in (await self._recipients.pushers(readers)).values():
            for pusher in pushers:
                if self._distribution.reached is not None:
                    self._lines.badge_changed(pusher, self._distribution.reached)
