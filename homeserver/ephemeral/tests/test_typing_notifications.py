from twisted.internet.defer import Deferred

from homeserver.account_data.tests.serving import ALICE, BOB, ServingTestCase
from homeserver.ephemeral.tests.rooms import ROOM, NobodyElse
from homeserver.ephemeral.typing_notifications import Typing
from homeserver.protocol.identifiers import UserID


class TypingTests(ServingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.typing = Typing(self.journal, self.clock, NobodyElse())

    def start(self, user: UserID = ALICE, timeout: float = 30) -> None:
        self.result_of(self.typing.started(ROOM, user, timeout))

    def stop(self, user: UserID = ALICE) -> None:
        self.result_of(self.typing.stopped(ROOM, user))

    def test_those_who_type_are_listed_in_order(self) -> None:
        self.start(BOB)
        self.start(ALICE)
        self.assertEqual(self.typing.typing_users(ROOM), [ALICE, BOB])
        self.assertEqual(self.typing.typing_users(ROOM + 1), [])
        self.stop(ALICE)
        self.assertEqual(self.typing.typing_users(ROOM), [BOB])

    def test_typing_ends_when_its_time_is_up(self) -> None:
        self.start(timeout=5)
        self.reactor.advance(4.9)
        self.assertEqual(self.typing.typing_users(ROOM), [ALICE])
        self.reactor.advance(0.2)
        self.assertEqual(self.typing.typing_users(ROOM), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_saying_it_again_gives_more_time(self) -> None:
        self.start(timeout=5)
        before = self.journal.position
        self.reactor.advance(4)
        self.start(timeout=5)
        self.reactor.advance(4)
        self.assertEqual(self.typing.typing_users(ROOM), [ALICE])
        self.assertEqual(self.journal.position, before)

    def test_start_stop_and_expiry_wake_the_room(self) -> None:
        for change in (self.start, self.stop, self.start, lambda: self.reactor.advance(30)):
            room = self.waiter(("room", ROOM))
            before = self.journal.position
            change()
            self.assertTrue(self.successResultOf(room))
            self.assertTrue(self.typing.changed_after(ROOM, before))
            self.assertFalse(self.typing.changed_after(ROOM, self.journal.position))

    def test_stopping_without_having_started_changes_nothing(self) -> None:
        before = self.journal.position
        self.stop()
        self.assertEqual(self.journal.position, before)

    def test_a_stopped_user_does_not_expire(self) -> None:
        self.start()
        self.stop()
        before = self.journal.position
        self.reactor.advance(60)
        self.assertEqual(self.journal.position, before)

    def test_readers_see_a_change_when_it_has_its_position(self) -> None:
        self.threads.held = True
        before = self.journal.position
        started = Deferred.fromCoroutine(self.typing.started(ROOM, ALICE, 30))
        self.assertNoResult(started)
        self.assertEqual(self.typing.typing_users(ROOM), [])
        self.threads.release()
        self.assertEqual(self.typing.typing_users(ROOM), [ALICE])
        self.assertTrue(self.typing.changed_after(ROOM, before))

    def test_those_synced_before_the_start_are_told(self) -> None:
        self.typing.start_at(10)
        self.assertTrue(self.typing.changed_after(ROOM, 9))
        self.assertFalse(self.typing.changed_after(ROOM, 10))
