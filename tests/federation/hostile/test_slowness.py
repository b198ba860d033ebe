"""A server that takes its time: nobody but itself has to wait for it."""

from typing import Any

from twisted.internet.defer import Deferred

from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID, UserID
from homeserver.protocol.signing import EventSigner
from tests.federation.hostile.liar import LiarTestCase, pdus

SUE = UserID("@sue:honest.example")
NOWHERE = EventID("$" + "x" * 43)


class SlownessTests(LiarTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.honest = self.other_server("honest.example")
        self.there.add("honest.example")
        joined = self.of_sue("m.room.member", {"membership": "join"}, state_key=SUE)
        self.assertEqual(self.send(joined, by=self.honest)["pdus"], {joined.event_id: {}})
        self.asked: list[Deferred[Any]] = []
        self.lies["/get_missing_events/"] = lambda _: self.silence()
        self.slow = self.said("slow", prev_events=(NOWHERE,), depth=100)

    def silence(self) -> Deferred[Any]:
        self.asked.append(Deferred())
        return self.asked[-1]

    def of_sue(self, *what: Any, **more: Any) -> Event:
        """An event of the honest server."""
        signer, self.signer = self.signer, EventSigner(self.honest.server_name, self.honest.key)
        try:
            return self.event(*what, sender=SUE, **more)
        finally:
            self.signer = signer

    def test_others_do_not_wait(self) -> None:
        self.send(self.slow)
        self.assertEqual(len(self.asked), 1)
        said = self.of_sue(content={"msgtype": "m.text", "body": "quick"})
        self.send(said, by=self.honest)
        self.assertEqual(self.bodies(), ["quick"])
        self.assertEqual(self.staged(), 1)

    def test_what_came_before_from_the_same_server_comes_first(self) -> None:
        self.send(self.slow, self.said("after it"))
        self.assertEqual(self.bodies(), [])
        earlier = self.said("before it")
        self.asked[0].callback({"events": pdus(earlier)})
        self.assertEqual(self.staged(), 0)
        self.assertEqual(self.bodies()[-1], "after it")

    def test_what_is_not_told_in_the_end(self) -> None:
        self.send(self.slow)
        self.asked[0].callback({"events": []})
        self.assertEqual(self.staged(), 0)
        self.hides(self.slow)
        self.goes_on()

    def test_a_stop_meanwhile_loses_nothing(self) -> None:
        self.send(self.slow, self.said("after it"))
        self.restart()
        self.assertEqual(len(self.asked), 2, "it is asked for again")
        self.asked[1].callback({"events": []})
        self.assertEqual(self.staged(), 0)
        self.assertEqual(self.bodies(), ["after it"])
