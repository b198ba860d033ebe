"""The newest messages to devices in memory, so that most are delivered without being read."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from homeserver.e2ee.store.to_device import WaitingMessage
from homeserver.storage.cache import ByteBudgetCache

_MESSAGE_BYTES = 400
_LONGEST = 200


@dataclass(slots=True)
class _Inbox:
    """All messages to a device after position `complete_after`, oldest first."""

    complete_after: int
    messages: deque[WaitingMessage] = field(default_factory=deque)
    size: int = 0

    def drop_first(self) -> None:
        message = self.messages.popleft()
        self.complete_after = message.position
        self.size -= _size(message)


class Inboxes:
    """By the short ids of devices."""

    def __init__(self, budget: int) -> None:
        """`budget` is in bytes."""
        self._inboxes: ByteBudgetCache[int, _Inbox] = ByteBudgetCache(budget)

    def clear(self) -> None:
        self._inboxes.clear()

    def add(self, message: WaitingMessage) -> None:
        # What came before this one is unknown, unless there is an inbox.
        inbox = self._inboxes.get(message.device_nid) or _Inbox(complete_after=message.position - 1)
        inbox.messages.append(message)
        inbox.size += _size(message)
        if len(inbox.messages) > _LONGEST:
            inbox.drop_first()
        self._inboxes.put(message.device_nid, inbox, inbox.size)

    def after(self, device_nid: int, position: int, upto: int) -> Sequence[WaitingMessage] | None:
        """The messages at position < … <= upto; None where memory does not reach back so far."""
        inbox = self._inboxes.get(device_nid)
        if inbox is None or position < inbox.complete_after:
            return None
        return [message for message in inbox.messages if position < message.position <= upto]

    def discard_up_to(self, device_nid: int, position: int) -> None:
        """The device has these."""
        inbox = self._inboxes.get(device_nid)
        if inbox is None:
            return
        while inbox.messages and inbox.messages[0].position <= position:
            inbox.drop_first()
        if inbox.messages:
            self._inboxes.put(device_nid, inbox, inbox.size)
        else:
            self._inboxes.discard(device_nid)


def _size(message: WaitingMessage) -> int:
    return _MESSAGE_BYTES + len(message.content)
