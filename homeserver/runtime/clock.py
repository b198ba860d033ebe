"""Time, given to whoever needs it, so that tests and the simulator own it."""

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred


class DelayedCall(Protocol):
    """A timer that is running (Twisted's DelayedCall, in a form that type checkers read)."""

    def active(self) -> bool: ...

    def cancel(self) -> None: ...

    def reset(self, seconds: float) -> None: ...


class ReactorTime(Protocol):
    """The part of a reactor that knows the time (Twisted's IReactorTime)."""

    def seconds(self) -> float: ...

    def callLater(self, delay: float, call: Callable[..., Any], /, *args: object) -> DelayedCall: ...


class Clock:
    """The time of one reactor: the real one, or a `twisted.internet.task.Clock` that a test advances."""

    def __init__(self, reactor: ReactorTime) -> None:
        self.reactor = reactor

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, as `origin_server_ts` wants them."""
        return int(self.reactor.seconds() * 1000)

    def seconds(self) -> float:
        return self.reactor.seconds()

    def call_later(self, delay: float, call: Callable[..., object], *args: object) -> DelayedCall:
        return self.reactor.callLater(delay, call, *args)

    def sleep(self, seconds: float) -> Deferred[None]:
        """A Deferred that fires after `seconds`; cancelling it cancels the timer."""
        timer: DelayedCall | None = None

        def cancel(_: Deferred[None]) -> None:
            if timer is not None and timer.active():
                timer.cancel()

        wait: Deferred[None] = Deferred(cancel)
        timer = self.reactor.callLater(seconds, wait.callback, None)
        return wait
