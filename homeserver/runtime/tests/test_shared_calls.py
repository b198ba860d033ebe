from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from homeserver.runtime.shared_calls import SharedCalls


class SharedCallsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.calls: SharedCalls[str, int] = SharedCalls()
        self.started = 0
        self.work: Deferred[int] = Deferred()

    async def start(self) -> int:
        self.started += 1
        return await self.work

    def run_for(self, key: str) -> Deferred[int]:
        return self.calls.run(key, self.start)

    def test_one_call_for_all(self) -> None:
        first, second = self.run_for("a"), self.run_for("a")
        self.assertEqual(self.started, 1)
        self.work.callback(5)
        self.assertEqual((self.successResultOf(first), self.successResultOf(second)), (5, 5))
        self.run_for("a")
        self.assertEqual(self.started, 2)

    def test_other_keys_are_other_calls(self) -> None:
        self.run_for("a"), self.run_for("b")
        self.assertEqual(self.started, 2)

    def test_failures_are_shared(self) -> None:
        first, second = self.run_for("a"), self.run_for("a")
        self.work.errback(KeyError("x"))
        self.failureResultOf(first, KeyError)
        self.failureResultOf(second, KeyError)

    def test_who_goes_away_stops_nobody(self) -> None:
        first, second = self.run_for("a"), self.run_for("a")
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.work.callback(5)
        self.assertEqual(self.successResultOf(second), 5)
