from homeserver.storage.engine import Row, Transaction
from tests.wire import PASSWORD, WireTestCase


def _account_data_types(txn: Transaction) -> list[Row]:
    return txn.rows("SELECT type FROM account_data")


class DeactivatedUserTests(WireTestCase):
    """What becomes of a user whose account has ended."""

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob])
        self.invited_to = self.alice.create_room(invite=[self.bob.user_id])
        self.bob.put(f"/user/{self.bob.user_id}/account_data/org.example", {"kept": True})
        password = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "bob"},
            "password": PASSWORD,
        }
        answer = self.bob.post("/account/deactivate", {"auth": password})
        self.assertEqual(answer.status, 200, answer.body)

    def membership(self, room_id: str) -> str:
        path = f"/rooms/{room_id}/state/m.room.member/{self.bob.user_id}"
        membership: str = self.alice.get(path)["membership"]
        return membership

    def test_leaves_rooms_and_rejects_invites(self) -> None:
        self.assertEqual(self.membership(self.room_id), "join")
        self.advance(60)
        self.assertEqual([self.membership(self.room_id), self.membership(self.invited_to)], ["leave"] * 2)

    def test_account_data_is_deleted(self) -> None:
        self.advance(600)
        self.assertEqual(self.successResultOf(self.server.db.read(_account_data_types)), [])
