"""What a plain message costs does not depend on who is in the room."""

from typing import Any

from homeserver.push import unread as unread_counts
from homeserver.push.tests.unread import UnreadTestCase, pair


class CostTests(UnreadTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.crowd = [self.register(f"user{number}") for number in range(8)]
        for number, user in enumerate(self.crowd):
            user.join(self.room_id)
            if number % 2:
                self.rule(user, f"room/{self.room_id}")
            # These are about other rooms.
            self.rule(user, f"room/!other{number}:test")

    def rows(self) -> dict[str, int]:
        def count(txn: Any) -> dict[str, int]:
            tables = ("push_event", "push_thread", "push_exception", "push_spoken", "push_ruleset")
            return {table: txn.row(f"SELECT count(*) FROM {table}")[0] for table in tables}

        async def read() -> dict[str, int]:
            return await self.server.db.read(count)

        return self.result_of(read())

    def test_one_row_for_all(self) -> None:
        self.say()
        before = self.rows()
        self.assertEqual(before["push_ruleset"], 1)
        for _ in range(3):
            self.say()
        self.assertEqual(self.rows(), before | {"push_event": before["push_event"] + 3})
        self.assertEqual(self.unread(self.crowd[0]), (4, 0))
        self.assertEqual(self.unread(self.crowd[1]), (0, 0))

    def test_exceptions_are_for_those_concerned(self) -> None:
        before = self.rows()["push_exception"]
        self.mention(self.crowd[1])
        self.assertEqual(self.rows()["push_exception"], before + 1)

    def test_counts_are_told_from_memory(self) -> None:
        since = [user.sync().next_batch for user in self.crowd]
        self.say()
        # The first sync of each learns the counts, which the next ones go on from.
        since = [user.sync(token).next_batch for user, token in zip(self.crowd, since, strict=True)]
        self.say()
        self.patch(unread_counts, "unread", lambda *_: self.fail("the database was asked"))
        for number, (user, token) in enumerate(zip(self.crowd, since, strict=True)):
            counts = user.sync(token).room(self.room_id)["unread_notifications"]
            self.assertEqual(pair(counts), (0 if number % 2 else 2, 0))
