from federation.outgoing.tests.others import A, B, OutgoingTestCase
from homeserver.protocol.errors import Forbidden, RemoteFailed
from homeserver.protocol.identifiers import UserID
from homeserver.rooms.send import slots_to_authorise
from homeserver.rooms.tests.process import ALICE, message, state

HOUR = 3600


class RecipientTests(OutgoingTestCase):
    def test_servers_of_joined_users_get_events(self) -> None:
        self.say("before")
        self.member("@bob:a.example")
        self.say("one", "two")
        self.assertEqual(self.others.bodies(A), ["one", "two"])
        self.assertEqual(self.others.bodies(B), [])

    def test_events_are_whole(self) -> None:
        self.member("@bob:a.example")
        self.say("one")
        (pdu,) = self.others.pdus(A)
        self.assertEqual((pdu["room_id"], pdu["sender"]), (self.room_id, ALICE))
        self.assertIn("test", pdu["signatures"])

    def test_events_of_others_are_theirs_to_send(self) -> None:
        self.member("@bob:a.example")
        self.member("@carol:b.example")
        self.assertEqual(self.others.attempts, [])

    def test_what_is_relayed_goes_to_all_but_its_own_server(self) -> None:
        self.member("@bob:a.example")
        head = self.result_of(self.house.heads.get(self.room_id))
        join = state(
            self.room_id,
            "m.room.member",
            {"membership": "join"},
            "@carol:b.example",
            UserID("@carol:b.example"),
        )
        self.result_of(self.house.heads.load(head, slots_to_authorise(head, join)))
        event = self.house.builder.build(head, join)
        with self.outgoing.relaying(event.event_id):
            self.result_of(self.result_of(self.house.ingest.accept(head, event)))
        self.assertEqual([pdu["state_key"] for pdu in self.others.pdus(A)], ["@carol:b.example"])
        self.assertEqual(self.others.pdus(B), [])

    def test_what_another_server_sends_is_left_to_it(self) -> None:
        self.member("@bob:a.example")
        head = self.result_of(self.house.heads.get(self.room_id))
        draft = message(self.room_id, "one")
        self.result_of(self.house.heads.load(head, slots_to_authorise(head, draft)))
        event = self.house.builder.build(head, draft)
        with self.outgoing.leaving_to_others(event.event_id):
            self.result_of(self.result_of(self.house.ingest.accept(head, event)))
        self.assertEqual(self.others.attempts, [])

    def test_who_is_turned_away_is_told(self) -> None:
        for membership in ("leave", "ban"):
            self.set_member("invite")
            self.say("not for them")
            self.set_member(membership)
            self.say("nor this")
        told = [pdu["content"] for pdu in self.others.pdus(A)]
        self.assertEqual(told, [{"membership": "leave"}, {"membership": "ban"}])

    def set_member(self, membership: str) -> None:
        content = {"membership": membership}
        self.result_of(
            self.house.send(state(self.room_id, "m.room.member", content, "@bob:a.example", ALICE))
        )

    def test_a_kick_still_reaches_the_server(self) -> None:
        self.member("@bob:a.example")
        kick = state(self.room_id, "m.room.member", {"membership": "leave"}, "@bob:a.example", ALICE)
        self.result_of(self.house.send(kick))
        self.say("gone")
        self.assertEqual([pdu["type"] for pdu in self.others.pdus(A)], ["m.room.member"])

    def test_a_server_stays_until_its_last_user_leaves(self) -> None:
        for name in ("bob", "carol"):
            self.member(f"@{name}:a.example")
        self.member("@bob:a.example", "leave")
        self.say("one")
        self.member("@carol:a.example", "leave")
        self.say("two")
        self.member("@bob:a.example")
        self.say("three")
        self.assertEqual(self.others.bodies(A), ["one", "three"])

    def test_forbidden_servers_get_nothing(self) -> None:
        self.config = type(self.config)(domain_blocklist=("a.example",))
        self.begin()
        self.member("@bob:a.example")
        self.say("one")
        self.assertEqual(self.others.attempts, [])


class OutageTests(OutgoingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.member("@bob:a.example")
        self.member("@carol:b.example")

    def go_down(self, error: Exception | None = None) -> None:
        self.others.errors[A] = error or RemoteFailed("down")

    def test_one_that_is_down_delays_nobody(self) -> None:
        self.go_down()
        self.say("one", "two")
        self.assertEqual((self.others.bodies(A), self.others.bodies(B)), ([], ["one", "two"]))
        self.assertEqual(len([to for to, _, _ in self.others.attempts if to == A]), 1)

    def test_the_same_is_sent_again(self) -> None:
        self.go_down()
        self.say("one", "two")
        self.reactor.advance(60)
        first, second = [attempt for attempt in self.others.attempts if attempt[0] == A]
        self.assertEqual(first, second)
        del self.others.errors[A]
        self.reactor.advance(120)
        self.assertEqual(self.others.bodies(A), ["one", "two"])

    def test_a_sign_of_life_ends_the_pause(self) -> None:
        self.go_down()
        self.say("one")
        del self.others.errors[A]
        self.backoff.alive(A)
        self.assertEqual(self.others.bodies(A), ["one"])

    def test_refusals_are_tried_again_too(self) -> None:
        self.go_down(Forbidden("no"))
        self.say("one")
        del self.others.errors[A]
        self.reactor.advance(61)
        self.assertEqual(self.others.bodies(A), ["one"])

    def test_after_a_long_outage_the_newest_of_each_room(self) -> None:
        other = self.room()
        self.member("@bob:a.example", room_id=other)
        self.go_down()
        self.say("one")
        self.say("two", "three")
        self.say("four", "five", room_id=other)
        for _ in range(20):
            self.reactor.advance(HOUR)
        del self.others.errors[A]
        self.reactor.advance(HOUR)
        self.assertEqual(self.others.bodies(A), ["one", "three", "five"])
        self.say("six", "seven")
        self.assertEqual(self.others.bodies(A)[3:], ["six", "seven"])

    def test_slow_servers_get_what_gathered_in_order(self) -> None:
        self.others.slow[A] = []
        self.say("first", *map(str, range(60)))
        self.assertEqual(len(self.others.bodies(B)), 61)
        for _ in range(3):
            self.others.release(A)
        self.assertEqual(self.others.bodies(A), ["first", *map(str, range(60))])
        sizes = [len(content["pdus"]) for name, content in self.others.arrived if name == A]
        self.assertEqual(sizes, [1, 50, 10])

    def test_a_killed_process_loses_nothing(self) -> None:
        self.others.slow[A] = []
        self.say("one", "two")
        self.begin()
        self.assertEqual(self.others.bodies(A), ["one", "two"])
        self.assertEqual(self.others.bodies(B), [])

    def test_a_stopping_process_waits_for_nobody(self) -> None:
        self.others.slow[A] = []
        self.say("one")
        self.result_of(self.queues.stop())
        self.say("two")
        self.begin()
        self.assertEqual(self.others.bodies(A), ["one", "two"])

    def test_one_that_was_down_is_left_alone_by_the_next_process(self) -> None:
        self.go_down()
        self.say("one")
        self.begin()
        self.assertEqual(self.others.attempts, [])
        self.reactor.advance(60)
        self.assertEqual(self.others.bodies(A), ["one"])


class EduTests(OutgoingTestCase):
    def queue(self, key: str, body: str) -> None:
        self.result_of(self.queues.queue_edus(key, {A: {"edu_type": "m.x", "content": {"body": body}}}))

    def bodies(self) -> list[str]:
        return [edu["content"]["body"] for edu in self.others.edus(A)]

    def test_they_are_sent_and_gone(self) -> None:
        self.queue("1", "one")
        self.assertEqual((self.bodies(), self.count("federation_waiting_edu")), (["one"], 0))

    def test_they_survive_an_outage_and_a_crash(self) -> None:
        self.others.errors[A] = RemoteFailed("down")
        for number in range(120):
            self.queue(str(number), str(number))
        self.queue("7", "again")
        self.begin()
        self.reactor.advance(60)
        self.assertEqual(self.bodies(), [str(number) for number in range(120)])
        self.assertEqual([len(content["edus"]) for _, content in self.others.arrived], [100, 20])


class EndingTests(OutgoingTestCase):
    def test_what_all_have_is_deleted(self) -> None:
        self.member("@bob:a.example")
        self.say("one")
        self.member("@bob:a.example", "leave")
        self.result_of(self.queues.prune())
        for table in ("federation_outgoing", "federation_room_server", "federation_destination"):
            self.assertEqual(self.count(table), 0, table)

    def test_what_somebody_lacks_is_kept_for_a_month(self) -> None:
        self.member("@bob:a.example")
        self.others.errors[A] = RemoteFailed("down")
        self.say("one")
        self.result_of(self.queues.queue_edus("1", {A: {}}))
        self.result_of(self.queues.prune())
        self.assertEqual((self.count("federation_outgoing"), self.count("federation_waiting_edu")), (1, 1))
        self.reactor.advance(31 * 24 * HOUR)
        self.result_of(self.queues.prune())
        self.assertEqual((self.count("federation_outgoing"), self.count("federation_waiting_edu")), (0, 0))
