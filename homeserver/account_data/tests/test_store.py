from homeserver.account_data.store import (
    NO_ROOM,
    ContentKey,
    ContentRow,
    FilterRow,
    account_data_changes,
    content_of,
    delete_room,
    delete_user,
    filter_definition,
    insert_filter,
    upsert_contents,
)
from homeserver.account_data.tests.serving import ServingTestCase

ROOM = 7


class AccountDataTableTests(ServingTestCase):
    def put(self, key: tuple[int, int, str], text: bytes, position: int, rank: int = 0) -> None:
        row = ContentRow(ContentKey(*key), text, rank, position)
        self.result_of(self.db.write(upsert_contents, [row]))

    def changes(self, after: int, upto: int) -> list[tuple[int, str, bytes]]:
        return self.result_of(self.db.read(account_data_changes, self.alice, after, upto))

    def test_changes_are_those_between_two_positions(self) -> None:
        self.put((self.alice, NO_ROOM, "a"), b'{"a":1}', 1)
        self.put((self.alice, ROOM, "b"), b'{"b":1}', 2)
        self.put((self.alice, NO_ROOM, "c"), b'{"c":1}', 3)
        self.put((self.bob, NO_ROOM, "d"), b'{"d":1}', 2)
        self.assertEqual(self.changes(0, 2), [(NO_ROOM, "a", b'{"a":1}'), (ROOM, "b", b'{"b":1}')])
        self.assertEqual(self.changes(2, 9), [(NO_ROOM, "c", b'{"c":1}')])

    def test_a_type_has_its_newest_content_only(self) -> None:
        self.put((self.alice, NO_ROOM, "a"), b'{"a":1}', 1)
        self.put((self.alice, NO_ROOM, "a"), b'{"a":2}', 5)
        self.assertEqual(self.changes(0, 9), [(NO_ROOM, "a", b'{"a":2}')])
        self.assertEqual(self.changes(0, 4), [])

    def test_content_of_a_lower_or_equal_rank_changes_nothing(self) -> None:
        for position, rank, text in [(1, 20, b'{"r":20}'), (2, 10, b'{"r":10}'), (3, 20, b'{"r":0}')]:
            self.put((self.alice, ROOM, "a"), text, position, rank)
        self.assertEqual(self.changes(0, 9), [(ROOM, "a", b'{"r":20}')])
        self.assertEqual(self.changes(1, 9), [])
        self.put((self.alice, ROOM, "a"), b'{"r":21}', 4, rank=21)
        self.assertEqual(self.changes(1, 9), [(ROOM, "a", b'{"r":21}')])

    def test_changes_are_found_by_an_index(self) -> None:
        plan = self.result_of(
            self.db.read(
                lambda txn: txn.rows(
                    "EXPLAIN QUERY PLAN SELECT room_nid, type, content FROM account_data"
                    " WHERE user_nid = 1 AND position > 2 AND position <= 3 ORDER BY position"
                )
            )
        )
        self.assertIn("account_data_changes", str(plan))
        self.assertNotIn("TEMP B-TREE", str(plan))

    def test_rows_end_with_their_user_and_their_room(self) -> None:
        self.put((self.alice, NO_ROOM, "a"), b"{}", 1)
        self.put((self.alice, ROOM, "b"), b"{}", 2)
        self.put((self.bob, ROOM, "c"), b"{}", 3)
        self.result_of(self.db.write(delete_room, ROOM))
        self.assertIsNone(self.result_of(self.db.read(content_of, ContentKey(self.bob, ROOM, "c"))))
        self.assertEqual(self.changes(0, 9), [(NO_ROOM, "a", b"{}")])
        self.result_of(self.db.write(delete_user, self.alice))
        self.assertEqual(self.changes(0, 9), [])


class FilterTableTests(ServingTestCase):
    def insert(self, filter_id: str, created_ts: int, keep: int = 3) -> None:
        row = FilterRow(self.alice, filter_id, b'{"id":"%b"}' % filter_id.encode(), created_ts)
        self.result_of(self.db.write(insert_filter, row, keep))

    def kept(self) -> list[str]:
        rows = self.result_of(
            self.db.read(lambda txn: txn.rows("SELECT filter_id FROM account_data_filter ORDER BY filter_id"))
        )
        return [filter_id for (filter_id,) in rows]

    def test_only_the_newest_of_a_user_are_kept(self) -> None:
        for number in range(5):
            self.insert(f"f{number}", created_ts=number)
        self.assertEqual(self.kept(), ["f2", "f3", "f4"])

    def test_filters_of_others_are_not_counted(self) -> None:
        self.result_of(self.db.write(insert_filter, FilterRow(self.bob, "bobs", b"{}", 0), 1))
        self.insert("f", created_ts=1, keep=1)
        self.assertEqual(self.kept(), ["bobs", "f"])

    def test_the_same_filter_is_one_row(self) -> None:
        self.insert("f", created_ts=1)
        self.insert("f", created_ts=2)
        self.assertEqual(self.kept(), ["f"])

    def test_filters_end_with_their_user(self) -> None:
        self.insert("f", created_ts=1)
        self.result_of(self.db.write(delete_user, self.alice))
        self.assertIsNone(self.result_of(self.db.read(filter_definition, self.alice, "f")))
