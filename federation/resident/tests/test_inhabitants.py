"""Which users of this server are in a room, and what other servers get once nobody is."""

from federation.incoming.tests.neighbour import NeighbourTestCase
from federation.resident.inhabitants import rooms_inviting
from homeserver.protocol.identifiers import ServerName
from homeserver.rooms.store.inhabitants import inhabitants, is_inhabited
from homeserver.storage.engine import Transaction


class InhabitantTests(NeighbourTestCase):
    def here(self) -> list[str]:
        return [str(one) for one in self.successResultOf(self.server.db.read(inhabitants, self.head().nid))]

    def is_inhabited(self) -> bool:
        return self.successResultOf(self.server.db.read(is_inhabited, self.head().nid))

    def test_users_elsewhere_are_none(self) -> None:
        self.join()
        self.assertEqual(self.here(), [self.alice.user_id])
        self.assertEqual(self.count("room_inhabitant"), 1)

    def test_those_first_who_are_there_longest(self) -> None:
        others = [self.register(name) for name in ("carol", "bob")]
        for one in others:
            one.join(self.room_id)
        self.alice.put("/profile/@alice:test/displayname", {"displayname": "Al"})
        self.assertEqual(self.here(), [self.alice.user_id, *(one.user_id for one in others)])

    def test_they_end_when_they_leave(self) -> None:
        bob = self.register("bob")
        bob.join(self.room_id)
        self.alice.post(f"/rooms/{self.room_id}/kick", {"user_id": bob.user_id})
        self.assertEqual(self.here(), [self.alice.user_id])
        self.join()
        self.alice.post(f"/rooms/{self.room_id}/leave", {})
        self.assertEqual((self.here(), self.is_inhabited()), ([], False))
        self.assertEqual(self.count("room_inhabitant"), 0)
        query = {"ver": ["12", "11", "10"]}
        answer = self.remote.get(
            f"/_matrix/federation/v1/make_join/{self.room_id}/@ray:remote.example", **query
        )
        self.assertEqual((answer.status, answer.json["errcode"]), (404, "M_NOT_FOUND"))

    def test_a_server_that_is_called_like_the_port_of_another(self) -> None:
        room = self.head().nid

        def invite(txn: Transaction) -> None:
            txn.execute("INSERT INTO known_user (user_id) VALUES ('@ray:ray.example:8448')")
            txn.execute(
                """
                INSERT INTO room_member (room, user_nid, membership, event, position, since)
                SELECT m.room, u.nid, 'invite', m.event, m.position, m.since FROM room_member m, known_user u
                WHERE m.room = %(room)s AND u.user_id = '@ray:ray.example:8448'
                """,
                room=room,
            )

        self.successResultOf(self.server.db.write(invite))

        def inviting(server: str) -> set[int]:
            return self.successResultOf(self.server.db.read(rooms_inviting, ServerName(server), [room]))

        self.assertEqual(inviting("ray.example:8448"), {room})
        self.assertEqual(inviting("8448"), set())
