"""Edges of events that were here before."""

from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.room_versions import room_version
from homeserver.rooms.graph.vertices import ShortIds, Vertex
from homeserver.rooms.graph.writing import EventNids, write_edges
from homeserver.rooms.store.events import event_nids
from homeserver.rooms.store.graph import cited_by
from homeserver.rooms.store.heads import head_by_room_id
from homeserver.rooms.store.spans import current_events
from homeserver.storage.engine import Transaction
from tests.wire import WireTestCase


class EdgesOfKnownEventsTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")
        self.room_id = RoomID(self.alice.create_room(name="Old"))

    def known(self, txn: Transaction) -> Vertex:
        """The room's name, which its power levels and its creator's membership authorise."""
        head = head_by_room_id(txn, self.room_id)
        assert head is not None
        slot = ("m.room.name", "")
        event = current_events(txn, head.nid, self.room_id, room_version(head.version), [slot])[slot]
        nid = event_nids(txn, [event.event_id])[event.event_id]
        short_ids = ShortIds(0, None, 0, None)
        return Vertex(
            event=event,
            short_ids=short_ids,
            client=b"",
            federation=b"",
            known=nid,
            room=head.nid,
            nid=nid,
        )

    def edges_after(self, *, without: int) -> tuple[set[int], set[int]]:
        """Before, and when so many were lost and the event was written again."""

        def write(txn: Transaction) -> tuple[set[int], set[int]]:
            vertex = self.known(txn)
            before = cited_by(txn, [vertex.nid])[vertex.nid]
            txn.execute(
                "DELETE FROM room_auth_edge WHERE citing = %(citing)s AND cited IN %(cited)s",
                citing=vertex.nid, cited=before[:without],
            )  # fmt: skip
            write_edges(txn, [vertex], EventNids(txn, [vertex], vertex.event.auth_events))
            return set(before), set(cited_by(txn, [vertex.nid])[vertex.nid])

        return self.successResultOf(self.server.db.write(write))

    def test_they_are_there_once(self) -> None:
        before, after = self.edges_after(without=0)
        self.assertEqual(len(before), 2)
        self.assertEqual(after, before)

    def test_what_they_cite_may_have_come_only_now(self) -> None:
        for number in (1, 2):
            before, after = self.edges_after(without=number)
            self.assertEqual(after, before)
