"""Rooms of which the members come after the join."""

from urllib.parse import quote, urlsplit

from federation.incoming import pdu_checks
from federation.joining.tests.neighbours import HOME, NeighboursTestCase
from homeserver.http.outbound import RequestFailed
from homeserver.search import member_index, user_index
from homeserver.search.member_index import MemberIndex
from homeserver.storage.engine import Transaction
from tests.client import Json


class PartialTests(NeighboursTestCase):
    """The room has more members than are needed to join it."""

    def setUp(self) -> None:
        super().setUp()
        self.room_id = self.room(name="Town", topic="All of us")
        self.others = [self.home.register(f"member{number}") for number in range(5)]
        for other in self.others:
            other.join(self.room_id)
        self.everybody = {one.user_id for one in (self.alice, self.bob, *self.others)}

    def partial(self) -> int:
        return self.count("room_partial")

    def synced(self) -> Json:
        lazily = {"room": {"state": {"lazy_load_members": True}, "timeline": {"lazy_load_members": True}}}
        return self.bob.sync(filter=lazily).room(self.room_id)

    def test_the_members_come_behind(self) -> None:
        self.join(self.room_id)
        self.assertEqual(self.partial(), 1)
        self.settle()
        self.assertEqual(self.partial(), 0)
        self.assertEqual(self.joined(self.bob, self.room_id), self.everybody)
        summary = self.synced()["summary"]
        self.assertEqual(summary["m.joined_member_count"], len(self.everybody))

    def test_members_are_checked_a_few_at_a_time(self) -> None:
        """As those of a room with more than fit into memory while nobody knows who signed them."""
        self.patch(pdu_checks, "_MOST_TOGETHER", 3)
        self.join(self.room_id)
        self.settle()
        self.assertEqual(self.joined(self.bob, self.room_id), self.everybody)

    def test_many_members_come_to_the_directory_a_few_at_a_time(self) -> None:
        self.patch(member_index, "_MOST_AT_ONCE", 2)
        taken_up: list[int] = []

        def noting(index: MemberIndex, txn: Transaction) -> None:
            take_up(index, txn)
            taken_up.append(len(txn.rows("SELECT 1 FROM search_user WHERE is_local = 0")))

        take_up = MemberIndex.take_up_some
        self.patch(MemberIndex, "take_up_some", noting)
        self.join(self.room_id)
        self.settle()
        # Bob is among them, and is of this server.
        self.assertEqual(taken_up, [1, 3, 5, 6])
        self.assertEqual(self.count("search_unread_room"), 0)
        self.assertEqual(len(self.found("member")), 5)

    def test_a_server_that_stops_before_all_are_in_the_directory(self) -> None:
        self.patch(member_index, "_MOST_AT_ONCE", 2)
        self.patch(user_index, "run_in_background", lambda _, work: work.close())
        self.join(self.room_id)
        self.settle()
        self.assertEqual(self.count("search_unread_room"), 1)
        # Whoever searches finds them, and otherwise a task takes them up.
        self.assertEqual(len(self.found("member")), 5)
        self.assertEqual(self.count("search_unread_room"), 0)

    def found(self, term: str) -> Json:
        return self.bob.post("/user_directory/search", {"search_term": term})["results"]

    def test_meanwhile_everything_else_works(self) -> None:
        self.withhold_members()
        self.join(self.room_id)
        self.settle()
        self.assertEqual(self.partial(), 1)
        self.assertEqual(self.bob.state(self.room_id, "m.room.topic")["topic"], "All of us")
        self.bob.send(self.room_id, "here I am")
        self.settle()
        self.assertEqual(self.bodies(self.alice, self.room_id), ["here I am"])
        # Of somebody who is not known yet.
        self.others[0].send(self.room_id, "welcome")
        self.settle()
        self.assertEqual(self.bodies(self.bob, self.room_id), ["here I am", "welcome"])
        self.assertEqual(self.membership(self.bob, self.room_id, self.others[0]), "join")
        self.assertEqual(self.bob.state(self.room_id, "m.room.member", self.others[1].user_id).status, 404)
        self.tell_members()
        self.assertEqual(self.joined(self.bob, self.room_id), self.everybody)

    def test_members_who_change_meanwhile(self) -> None:
        self.withhold_members()
        self.join(self.room_id)
        leaving, renamed = self.others[:2]
        leaving.leave(self.room_id)
        content = {"membership": "join", "displayname": "New Name"}
        renamed.set_state(self.room_id, "m.room.member", content, renamed.user_id)
        self.settle()
        self.assertEqual(self.membership(self.bob, self.room_id, leaving), "leave")
        self.tell_members()
        self.assertEqual(self.joined(self.bob, self.room_id), self.everybody - {leaving.user_id})
        joined = self.bob.get(f"/rooms/{self.room_id}/joined_members")["joined"]
        self.assertEqual(joined[renamed.user_id]["display_name"], "New Name")

    def test_what_needs_all_members_waits(self) -> None:
        self.withhold_members()
        self.join(self.room_id)
        paths = [f"/rooms/{self.room_id}/{path}" for path in ("members", "joined_members", "state")]
        waiting = [self.bob.start("GET", path) for path in (*paths, "/sync")]
        body = {"user_id": self.others[0].user_id}
        waiting.append(self.bob.start("POST", f"/rooms/{self.room_id}/kick", body))
        self.assertEqual([one.answer for one in waiting], [None] * 5)
        self.tell_members()
        answers = [one.answer for one in waiting]
        self.assertEqual([answer and answer.status for answer in answers], [200, 200, 200, 200, 403])

    def test_nobody_waits_for_ever(self) -> None:
        self.withhold_members()
        self.join(self.room_id)
        asked = self.bob.start("GET", f"/rooms/{self.room_id}/members")
        synced = self.bob.start("GET", "/sync")
        self.reactor.pump([1.0] * 30)
        assert asked.answer is not None
        assert synced.answer is not None
        self.assertEqual(asked.answer.error, (503, "M_UNKNOWN"))
        self.assertEqual(synced.answer.status, 200)

    def test_a_restart(self) -> None:
        self.withhold_members()
        self.join(self.room_id)
        self.restart()
        self.tell_members()
        self.assertEqual(self.joined(self.bob, self.room_id), self.everybody)

    def test_another_server_is_asked(self) -> None:
        third = self.another("third.example")
        carol = third.register("carol")
        self.join(self.room_id, carol)
        self.settle(third)
        self.network.liar = HOME
        self.withhold_members()
        self.join(self.room_id)
        self.settle(third)
        self.assertEqual(self.partial(), 0)
        self.assertEqual(self.joined(self.bob, self.room_id), self.everybody | {carol.user_id})

    def test_a_state_that_does_not_fit(self) -> None:
        self.network.lies["/state/"] = lambda answer: {**answer, "pdus": []}
        self.join(self.room_id)
        self.settle()
        self.assertEqual(self.partial(), 1)

    def test_a_state_that_does_not_fit_by_its_ids(self) -> None:
        self.say_much()
        self.network.lies["/state_ids/"] = lambda answer: {**answer, "pdu_ids": []}
        self.join(self.room_id)
        self.settle()
        self.assertEqual(self.partial(), 1)

    def say_much(self) -> None:
        """So that of the room most is here when it is joined, and only what is missing is asked for."""
        for number in range(20):
            self.alice.set_state(self.room_id, "example.fact", {"fact": number}, str(number))

    def test_all_is_asked_for_at_once(self) -> None:
        self.join(self.room_id)
        self.settle()
        asked = [path for one in self.network.requests if "/state" in (path := urlsplit(one.url).path)]
        self.assertEqual(asked, [f"/_matrix/federation/v1/state/{quote(self.room_id)}"])

    def test_what_is_missing_is_asked_for(self) -> None:
        self.say_much()
        self.join(self.room_id)
        self.settle()
        self.assertEqual(self.joined(self.bob, self.room_id), self.everybody)
        asked = [urlsplit(one.url).path for one in self.network.requests if one.origin == "test"]
        self.assertIn(f"/_matrix/federation/v1/state_ids/{quote(self.room_id)}", asked)
        self.assertNotIn(f"/_matrix/federation/v1/state/{quote(self.room_id)}", asked)

    def test_a_server_that_is_lost_halfway(self) -> None:
        """It has told who the members are, but not all of their events: those must not be left out for good."""

        def lost(_: Json) -> Json:
            raise RequestFailed("lost on the way")

        self.say_much()
        self.network.lies["/v1/event/"] = lost
        self.join(self.room_id)
        self.settle()
        self.assertEqual(self.partial(), 1)
        del self.network.lies["/v1/event/"]
        self.reactor.pump([10.0] * 60)
        self.assertEqual(self.partial(), 0)
        self.assertEqual(self.joined(self.bob, self.room_id), self.everybody)

    def test_leaving_meanwhile(self) -> None:
        self.withhold_members()
        self.join(self.room_id)
        self.assertEqual(self.bob.leave(self.room_id).status, 200)
        self.settle()
        self.assertEqual(self.membership(self.alice, self.room_id, self.bob), "leave")
        self.assertEqual(self.join(self.room_id).status, 200)
