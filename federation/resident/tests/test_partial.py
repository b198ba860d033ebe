"""A room of which most members are not known here yet: others turn to another server for what needs them all."""

from federation.resident.tests.test_memberships import HandshakeTestCase
from homeserver.rooms.store.partial import delete_partial, insert_partial
from homeserver.storage.engine import Transaction

V1 = "/_matrix/federation/v1"
NOT_YET = (404, "M_NOT_FOUND")
RITA = "@rita:remote.example"


class PartialResidentTests(HandshakeTestCase):
    preset = "public_chat"

    def setUp(self) -> None:
        super().setUp()
        self.joined = self.join()
        self.advance(1)
        self.said = self.alice.send(self.room_id, "hello")

    def begin_partial(self) -> None:
        def begin(txn: Transaction) -> None:
            row = txn.row("SELECT room, nid FROM room_event WHERE event_id = %(id)s", id=self.said)
            assert row is not None
            room, event = row
            insert_partial(txn, room, event, [])

        self.successResultOf(self.server.db.write(begin))

    def end_partial(self) -> None:
        self.successResultOf(self.server.db.write(delete_partial, self.head().nid))

    def statuses(self) -> list[int]:
        """Of what tells of the state."""
        about = {"event_id": self.said}
        return [
            self.remote.get(f"{V1}/state/{self.room_id}", **about).status,
            self.remote.get(f"{V1}/state_ids/{self.room_id}", **about).status,
            self.remote.get(f"{V1}/event_auth/{self.room_id}/{self.said}").status,
            self.make("join", RITA).status,
        ]

    def test_what_needs_all_members(self) -> None:
        template = self.made("join", RITA)
        self.begin_partial()
        self.assertEqual(self.statuses(), [404] * 4)
        self.assertEqual(self.make("join", RITA).error, NOT_YET)
        self.assertEqual(self.make("knock", RITA).error, NOT_YET)
        self.assertEqual(self.hand_in("join", template).error, NOT_YET)
        self.end_partial()
        self.assertEqual(self.statuses(), [200] * 4)
        self.assertEqual(self.hand_in("join", template).status, 200)

    def test_what_needs_none(self) -> None:
        self.begin_partial()
        path = f"{V1}/backfill/{self.room_id}"
        self.assertEqual(self.remote.request("GET", path, query=[("v", self.said), ("limit", 1)]).status, 200)
        self.assertEqual(self.remote.get(f"{V1}/event/{self.said}").status, 200)
        leave = self.made("leave")
        self.assertEqual(self.hand_in("leave", leave).status, 200)
