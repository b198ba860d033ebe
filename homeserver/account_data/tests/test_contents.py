from homeserver.account_data.contents import AccountData
from homeserver.account_data.store import NO_ROOM, ContentKey, account_data_changes
from homeserver.account_data.tests.serving import ServingTestCase
from homeserver.protocol.json import JsonObject

ROOM = 7


def counted(content: JsonObject) -> JsonObject:
    return {"n": content.get("n", 0) + 1}


class AccountDataTests(ServingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.account_data = AccountData(self.db, self.journal)
        self.key = ContentKey(self.alice, NO_ROOM, "org.example.colours")

    def test_content_is_what_was_put(self) -> None:
        self.result_of(self.account_data.put(self.key, {"hue": "teal"}))
        self.assertEqual(self.result_of(self.account_data.content(self.key)), b'{"hue":"teal"}')
        other = self.key._replace(room_nid=ROOM)
        self.assertIsNone(self.result_of(self.account_data.content(other)))

    def test_a_change_has_the_position_at_which_readers_find_it(self) -> None:
        position = self.result_of(self.account_data.put(self.key, {"a": 1}))
        found = self.result_of(self.db.read(account_data_changes, self.alice, position - 1, position))
        self.assertEqual(found, [(NO_ROOM, self.key.type, b'{"a":1}')])

    def test_a_change_wakes_its_user_only(self) -> None:
        alice, bob = self.waiter(("user", self.alice)), self.waiter(("user", self.bob))
        self.result_of(self.account_data.put(self.key, {}))
        self.assertTrue(self.successResultOf(alice))
        self.assertNoResult(bob)

    def test_an_edit_wakes_too(self) -> None:
        alice = self.waiter(("user", self.alice))
        position = self.result_of(self.account_data.edit(self.key, counted))
        self.assertTrue(self.successResultOf(alice))
        self.assertTrue(self.account_data.changed_after(self.alice, position - 1))

    def test_changed_after(self) -> None:
        position = self.result_of(self.account_data.put(self.key, {}))
        self.assertTrue(self.account_data.changed_after(self.alice, position - 1))
        self.assertFalse(self.account_data.changed_after(self.alice, position))
        self.assertFalse(self.account_data.changed_after(self.bob, 0))

    def test_what_was_before_the_start_may_have_changed(self) -> None:
        self.account_data.start_at(10)
        self.assertTrue(self.account_data.changed_after(self.alice, 9))
        self.assertFalse(self.account_data.changed_after(self.alice, 10))

    def test_of_one_group_the_last_put_counts(self) -> None:
        self.put_together([({"n": 1}, 0), ({"n": 2}, 0)])
        self.assertEqual(self.result_of(self.account_data.content(self.key)), b'{"n":2}')

    def test_of_one_group_the_highest_rank_counts(self) -> None:
        self.put_together([({"n": 1}, 5), ({"n": 2}, 9), ({"n": 3}, 7)])
        self.assertEqual(self.result_of(self.account_data.content(self.key)), b'{"n":2}')

    def test_no_edit_of_a_group_is_lost(self) -> None:
        self.threads.held = True
        edits = [self.account_data.edit(self.key, counted) for _ in range(4)]
        self.threads.release()
        positions = [self.successResultOf(edit) for edit in edits]
        self.assertEqual(len(set(positions)), 4)
        self.assertEqual(self.result_of(self.account_data.content(self.key)), b'{"n":4}')

    def put_together(self, contents: list[tuple[JsonObject, int]]) -> None:
        self.threads.held = True
        # The first write is on its way alone; what comes meanwhile makes a group.
        self.account_data.put(ContentKey(self.bob, NO_ROOM, "x"), {})
        puts = [self.account_data.put(self.key, content, rank=rank) for content, rank in contents]
        self.threads.release()
        for put in puts:
            self.successResultOf(put)
