from federation.incoming.tests.neighbour import NeighbourTestCase
from homeserver.rooms.tying import DUMMY, MOST_BRANCHES


class BranchTests(NeighbourTestCase):
    """Other servers send many events that do not follow each other."""

    def branch(self, count: int) -> None:
        joined = self.join()
        branches = [self.event(after=(joined,), content={"body": str(number)}) for number in range(count)]
        self.assertEqual(self.send(*branches)["pdus"], {event.event_id: {} for event in branches})
        self.assertEqual(len(self.head().extremities), count)

    def newest(self) -> str:
        chunk = self.alice.messages(self.room_id, dir="b", limit=1)["chunk"]
        return str(chunk[0]["type"])

    def test_many_are_tied(self) -> None:
        self.branch(MOST_BRANCHES + 1)
        self.reactor.advance(60)
        self.assertEqual(len(self.head().extremities), 1)
        self.assertEqual(self.newest(), DUMMY)

    def test_a_few_are_left(self) -> None:
        self.branch(MOST_BRANCHES)
        self.reactor.advance(60)
        self.assertEqual(len(self.head().extremities), MOST_BRANCHES)

    def test_who_talks_ties_them(self) -> None:
        self.branch(MOST_BRANCHES + 1)
        self.alice.send(self.room_id, "hello")
        self.reactor.advance(60)
        self.assertEqual(self.newest(), "m.room.message")

    def test_nobody_may(self) -> None:
        levels = self.alice.get(f"/rooms/{self.room_id}/state/m.room.power_levels").json
        levels["events"] = {DUMMY: 50}
        self.alice.put(f"/rooms/{self.room_id}/state/m.room.power_levels", levels)
        bob = self.register("bob")
        bob.post(f"/join/{self.room_id}", {})
        self.alice.post(f"/rooms/{self.room_id}/leave", {})
        self.branch(MOST_BRANCHES + 1)
        self.reactor.advance(60)
        self.assertEqual(len(self.head().extremities), MOST_BRANCHES + 1)
