"""What is asked of those who bring notifications somewhere."""

from typing import Protocol

from homeserver.push.pushers.alerts import Alert
from homeserver.push.store.pushers import NewPusher, Pusher


class NotTaken(Exception):
    """The other side has not got it. Not before `retry_after` seconds it is asked again, if it said so."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Gone(Exception):
    """The other side will never take anything for this pusher again."""


class PusherKind(Protocol):
    """What differs between kinds of pushers when a client sets one."""

    is_activated: bool
    """Whether the client must first send back what it is brought by `activate` (MSC4174)."""

    async def check(self, user_nid: int, new: NewPusher) -> None:
        """Raises a MatrixError where the user cannot have such a pusher."""

    async def activate(self, pusher: NewPusher, token: str) -> None:
        """Raises NotTaken, Gone."""


class Carrier(Protocol):
    """Brings notifications of one kind of pusher, each when it comes."""

    tells_badges: bool
    """Whether it is told of counts alone, when a user has read something elsewhere."""

    async def bring(self, pusher: Pusher, alert: Alert | None, badge: int) -> None:
        """Without an alert only the count is told. Raises NotTaken, Gone."""
