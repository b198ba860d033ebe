from homeserver.account_data.tests.serving import ALICE, BOB, ServingTestCase
from homeserver.ephemeral.receipts import Receipts
from homeserver.ephemeral.store import (
    READ,
    READ_PRIVATE,
    ReceiptChange,
    ReceiptKey,
    delete_room,
    receipt_changes,
)
from homeserver.ephemeral.tests.rooms import ROOM, NobodyElse


class ReceiptsTests(ServingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.receipts = Receipts(self.journal, NobodyElse())
        self.key = ReceiptKey(ROOM, self.alice, READ, "")

    def move(self, key: ReceiptKey, event_id: str, event_position: int, ts: int = 1) -> int:
        return self.result_of(self.receipts.move(key, event_id, event_position, ts))

    def changes(self, rooms: list[int], after: int = 0) -> list[ReceiptChange]:
        return sorted(self.result_of(self.db.read(receipt_changes, rooms, after, self.journal.position)))

    def test_a_receipt_is_found_at_its_position(self) -> None:
        position = self.move(self.key, "$a", 5, ts=123)
        expected = [ReceiptChange(ROOM, "$a", READ, ALICE, "", 123)]
        self.assertEqual(self.changes([ROOM, 99], after=position - 1), expected)
        self.assertEqual(self.changes([ROOM], after=position), [])
        self.assertEqual(self.changes([99]), [])
        self.assertEqual(self.changes([]), [])

    def test_a_receipt_moves_forward_only(self) -> None:
        self.move(self.key, "$b", 5)
        before = self.journal.position
        self.move(self.key, "$a", 4)
        self.move(self.key, "$b", 5)
        self.assertEqual(self.changes([ROOM], after=before), [])
        self.move(self.key, "$c", 6)
        self.assertEqual([change.event_id for change in self.changes([ROOM])], ["$c"])

    def test_a_receipt_at_an_unknown_event_replaces_and_is_replaced(self) -> None:
        self.move(self.key, "$b", 5)
        self.move(self.key, "$unknown", 0)
        self.assertEqual([change.event_id for change in self.changes([ROOM])], ["$unknown"])
        self.move(self.key, "$a", 1)
        self.assertEqual([change.event_id for change in self.changes([ROOM])], ["$a"])

    def test_type_thread_and_user_have_receipts_of_their_own(self) -> None:
        keys = [
            self.key,
            self.key._replace(type=READ_PRIVATE),
            self.key._replace(thread="main"),
            self.key._replace(user_nid=self.bob),
            self.key._replace(room_nid=ROOM + 1),
        ]
        for number, key in enumerate(keys):
            self.move(key, f"${number}", 9 - number)
        expected = [
            ReceiptChange(ROOM, "$0", READ, ALICE, "", 1),
            ReceiptChange(ROOM, "$1", READ_PRIVATE, ALICE, "", 1),
            ReceiptChange(ROOM, "$2", READ, ALICE, "main", 1),
            ReceiptChange(ROOM, "$3", READ, BOB, "", 1),
            ReceiptChange(ROOM + 1, "$4", READ, ALICE, "", 1),
        ]
        self.assertEqual(self.changes([ROOM, ROOM + 1]), expected)

    def test_of_one_group_the_furthest_counts(self) -> None:
        self.threads.held = True
        # The first is on its way alone; what comes meanwhile makes a group.
        moves = [self.receipts.move(self.key, f"${place}", place, 1) for place in (1, 2, 9, 4)]
        self.threads.release()
        for move in moves:
            self.successResultOf(move)
        self.assertEqual([change.event_id for change in self.changes([ROOM])], ["$9"])

    def test_a_receipt_wakes_the_room(self) -> None:
        room, user = self.waiter(("room", ROOM)), self.waiter(("user", self.alice))
        self.move(self.key, "$a", 1)
        self.assertTrue(self.successResultOf(room))
        self.assertNoResult(user)

    def test_a_private_receipt_wakes_its_user_only(self) -> None:
        room, user = self.waiter(("room", ROOM)), self.waiter(("user", self.alice))
        self.move(self.key._replace(type=READ_PRIVATE), "$a", 1)
        self.assertTrue(self.successResultOf(user))
        self.assertNoResult(room)

    def test_changed_after(self) -> None:
        position = self.move(self.key, "$a", 1)
        self.assertTrue(self.receipts.changed_after(ROOM, position - 1))
        self.assertFalse(self.receipts.changed_after(ROOM, position))
        self.assertFalse(self.receipts.changed_after(ROOM + 1, 0))
        self.receipts.start_at(position + 5)
        self.assertTrue(self.receipts.changed_after(ROOM + 1, position))

    def test_receipts_end_with_their_room(self) -> None:
        self.move(self.key, "$a", 1)
        self.move(self.key._replace(room_nid=ROOM + 1), "$b", 2)
        self.result_of(self.db.write(delete_room, ROOM))
        self.assertEqual([change.event_id for change in self.changes([ROOM, ROOM + 1])], ["$b"])

    def test_changes_are_found_by_an_index(self) -> None:
        plan = self.result_of(
            self.db.read(
                lambda txn: txn.rows(
                    "EXPLAIN QUERY PLAN SELECT event_id FROM ephemeral_receipt"
                    " WHERE room_nid IN %(rooms)s AND position > 2 AND position <= 3",
                    rooms=[1, 2],
                )
            )
        )
        self.assertIn("ephemeral_receipt_changes (room_nid=? AND position>? AND position<?)", str(plan))
