"""What services are sent."""

from collections.abc import Mapping
from typing import Any, ClassVar

from appservices.tests.serving import BRIDGE, ListeningTestCase
from homeserver.http.outbound import RequestFailed, TookTooLong


def bodies(events: list[Any]) -> list[str]:
    return [event["content"]["body"] for event in events if event["type"] == "m.room.message"]


class EventTests(ListeningTestCase):
    def test_rooms_of_its_users(self) -> None:
        alice, ghost = self.register("alice"), self.ghost("bob")
        room_id = alice.create_room()
        alice.send(room_id, "before")
        self.assertEqual(self.listener.events, [])
        alice.invite(room_id, ghost)
        (invite,) = self.listener.events
        self.assertEqual((invite["type"], invite["state_key"]), ("m.room.member", ghost.user_id))
        self.assertEqual(invite["room_id"], room_id)
        alice.send(room_id, "invited")
        ghost.join(room_id)
        alice.send(room_id, "joined")
        ghost.leave(room_id)
        alice.send(room_id, "left")
        self.assertEqual(bodies(self.listener.events), ["joined"])
        memberships = [one["content"]["membership"] for one in self.listener.events if "state_key" in one]
        self.assertEqual(memberships, ["invite", "join", "leave"])

    def test_rooms_of_the_service_itself(self) -> None:
        alice = self.register("alice")
        room_id = alice.create_room(members=[self.bot])
        alice.send(room_id, "hello")
        self.assertEqual(bodies(self.listener.events), ["hello"])

    def test_several_users_in_a_room(self) -> None:
        alice, one, other = self.register("alice"), self.ghost("one"), self.ghost("other")
        room_id = alice.create_room(members=[one, other])
        one.leave(room_id)
        alice.send(room_id, "still one")
        other.leave(room_id)
        alice.send(room_id, "none")
        self.assertEqual(bodies(self.listener.events), ["still one"])
        self.assertEqual(self.count("appservice_room"), 0)

    def test_rooms_with_aliases_of_the_namespace(self) -> None:
        alice, ghost = self.register("alice"), self.ghost("bob")
        room_id = ghost.create_room(members=[alice], room_alias_name="_bridge_room")
        ghost.leave(room_id)
        alice.send(room_id, "by alias")
        self.assertEqual(bodies(self.listener.events), ["by alias"])

    def test_each_event_once_and_in_order(self) -> None:
        alice, ghost = self.register("alice"), self.ghost("bob")
        room_id = alice.create_room(members=[ghost])
        for number in range(5):
            alice.send(room_id, str(number))
        self.assertEqual(bodies(self.listener.events), list("01234"))
        numbers = [int(number) for number, _ in self.listener.transactions]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.assertEqual(self.count("appservice_event"), 0)

    def test_redacted_meanwhile(self) -> None:
        alice, ghost = self.register("alice"), self.ghost("bob")
        room_id = alice.create_room(members=[ghost])
        self.listener.status = 500
        alice.send(room_id, "first")
        event_id = alice.send(room_id, "secret")
        alice.redact(room_id, event_id)
        self.listener.status = 200
        self.listener.transactions.clear()
        self.reactor.pump([1] * 10)
        told = {event["event_id"]: event for event in self.listener.events}
        self.assertEqual(told[event_id]["content"], {})


class InvitationTests(ListeningTestCase):
    def test_what_the_room_is(self) -> None:
        alice, bob, carol = self.register("alice"), self.ghost("bob"), self.register("carol")
        room_id = alice.create_room(name="Tea", members=[self.bot])
        self.listener.transactions.clear()
        alice.invite(room_id, bob)
        alice.invite(room_id, carol)
        to_bob, to_carol = self.listener.events
        told = {one["type"]: one["content"] for one in to_bob["unsigned"]["invite_room_state"]}
        self.assertEqual(told["m.room.name"], {"name": "Tea"})
        self.assertEqual(told["m.room.member"]["membership"], "join")
        self.assertNotIn("invite_room_state", to_carol["unsigned"])


class FailureTests(ListeningTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.ghost_ = self.register("alice"), self.ghost("bob")
        self.room_id = self.alice.create_room(members=[self.ghost_])
        self.listener.transactions.clear()

    def check_repeated(self) -> None:
        """What was refused comes again, the same, and then the rest."""
        self.alice.send(self.room_id, "first")
        self.alice.send(self.room_id, "second")
        self.assertEqual(self.count("appservice_event"), 2)
        self.listener.failure, self.listener.status = None, 200
        self.reactor.pump([1] * 20)
        contents = {int(number): content for number, content in self.listener.transactions}
        numbers = [int(number) for number, _ in self.listener.transactions]
        self.assertEqual(
            [bodies(contents[number]["events"]) for number in sorted(contents)], [["first"], ["second"]]
        )
        self.assertEqual(numbers, sorted(numbers))
        self.assertEqual(self.count("appservice_event"), 0)

    def test_errors(self) -> None:
        for status in (500, 404, 302, 204):
            self.listener.transactions.clear()
            self.listener.status = status
            self.check_repeated()

    def test_nobody_there(self) -> None:
        self.listener.failure = RequestFailed("nobody there")
        self.check_repeated()

    def test_over_a_restart(self) -> None:
        self.listener.status = 500
        self.alice.send(self.room_id, "first")
        self.alice.send(self.room_id, "second")
        ((number, _), *_) = self.listener.transactions
        self.listener.transactions.clear()
        self.listener.status = 200
        self.restart()
        self.reactor.pump([1] * 10)
        first, *_ = self.listener.transactions
        self.assertEqual(first[0], number)
        self.assertEqual(bodies(first[1]["events"]), ["first"])
        self.assertEqual(bodies(self.listener.events), ["first", "second"])

    def test_a_sign_of_life(self) -> None:
        self.listener.status = 500
        self.alice.send(self.room_id, "hello")
        self.reactor.pump([60] * 60)
        self.listener.transactions.clear()
        self.listener.status = 200
        self.bot.get("/account/whoami")
        self.assertEqual(bodies(self.listener.events), ["hello"])

    def test_what_is_never_taken_ends(self) -> None:
        self.listener.status = 500
        self.alice.send(self.room_id, "hello")
        self.assertEqual(self.count("appservice_event"), 1)
        self.reactor.pump([24 * 3600] * 32)
        self.assertEqual(self.count("appservice_event"), 0)


class RegisteringTests(ListeningTestCase):
    """Users and rooms may be there before the service."""

    registration: ClassVar[Mapping[str, Any]] = {
        "url": "http://bridge.example",
        "namespaces": {"users": [{"regex": "@nobody"}]},
    }

    def test_rooms_from_before(self) -> None:
        alice = self.register("alice")
        room_id = alice.create_room()
        alice.send(room_id, "before")
        self.change_registration({"namespaces": {"users": [{"regex": "@al"}]}})
        alice.send(room_id, "after")
        self.assertEqual(bodies(self.listener.events), ["after"])
        self.change_registration({"id": "another", "namespaces": BRIDGE["namespaces"]})
        self.assertEqual(self.count("appservice"), 1)
        self.assertEqual(self.count("appservice_room"), 0)


class PingTests(ListeningTestCase):
    def ping(self, service: str = "bridge") -> Any:
        return self.bot.post(f"/_matrix/client/v1/appservice/{service}/ping", {"transaction_id": "t"})

    def test_answers(self) -> None:
        self.listener.paths["/_matrix/app/v1/ping"] = (200, {})
        self.assertEqual(self.ping()["duration_ms"], 0)

    def test_failures(self) -> None:
        self.assertEqual(self.ping("other").error, (403, "M_FORBIDDEN"))
        answer = self.register("alice").post("/_matrix/client/v1/appservice/bridge/ping", {})
        self.assertEqual(answer.error, (403, "M_FORBIDDEN"))
        self.listener.paths["/_matrix/app/v1/ping"] = (418, {"tea": "pot"})
        answer = self.ping()
        self.assertEqual(answer.error, (502, "M_BAD_STATUS"))
        self.assertEqual((answer.json["status"], answer.json["body"]), (418, '{"tea":"pot"}'))
        self.listener.failure = RequestFailed("nobody there")
        self.assertEqual(self.ping().error, (502, "M_CONNECTION_FAILED"))
        self.listener.failure = TookTooLong("too slow")
        self.assertEqual(self.ping().error, (504, "M_CONNECTION_TIMEOUT"))


class SilentTests(ListeningTestCase):
    registration: ClassVar[Mapping[str, Any]] = {"url": None}

    def test_nothing_is_sent_or_kept(self) -> None:
        alice, ghost = self.register("alice"), self.ghost("bob")
        alice.create_room(members=[ghost])
        self.assertEqual(self.listener.asked, [])
        self.assertEqual(self.count("appservice_event"), 0)
        answer = self.bot.post("/_matrix/client/v1/appservice/bridge/ping", {})
        self.assertEqual(answer.error, (400, "M_URL_NOT_SET"))
