"""Works at the same time, and what one of them raises."""

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from homeserver.runtime.together import both, together


class TogetherTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.works: list[Deferred[str]] = [Deferred(), Deferred()]
        self.outcome = Deferred.fromCoroutine(together(self.works))

    def test_results_in_the_order_of_the_works(self) -> None:
        self.works[1].callback("second")
        self.assertNoResult(self.outcome)
        self.works[0].callback("first")
        self.assertEqual(self.successResultOf(self.outcome), ["first", "second"])

    def test_the_first_failure_is_raised_at_once_and_as_it_is(self) -> None:
        self.works[1].errback(KeyError("what went wrong"))
        error = self.failureResultOf(self.outcome, KeyError).value
        self.assertEqual(error.args, ("what went wrong",))
        # Nor is it reported as an error that nobody has handled, which would fail this test.
        self.works[0].errback(ValueError("and this came of it"))

    def test_two_of_different_kinds(self) -> None:
        async def length(work: Deferred[str]) -> int:
            return len(await work)

        async def text(work: Deferred[str]) -> str:
            return await work

        outcome = Deferred.fromCoroutine(both(length(self.works[0]), text(self.works[1])))
        self.works[1].callback("second")
        self.works[0].callback("first")
        self.assertEqual(self.successResultOf(outcome), (5, "second"))
        self.successResultOf(self.outcome)

    def test_nothing_at_all(self) -> None:
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(together([]))), [])
