"""Users of this server are invited to rooms of others."""

from typing import Any

from federation.incoming.tests.neighbour import ROB, NeighbourTestCase
from homeserver.protocol.event_signatures import sign_event, verify_event
from homeserver.protocol.events import Event, Proposal, build_event, parse_pdu
from homeserver.protocol.hashes import content_hash
from homeserver.protocol.identifiers import EventID, RoomID, ServerName, UserID
from homeserver.protocol.room_versions import EventIDForm, room_version
from homeserver.protocol.signing import EventSigner, SigningKey
from tests.client import Answer, Json

V1, V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"


class InviteTestCase(NeighbourTestCase):
    """A room of the other server, of which nothing is known here."""

    def setUp(self) -> None:
        super().setUp()
        self.version = "12"
        self.create = self.made("m.room.create", {"room_version": "12"})
        self.name = self.made("m.room.name", {"name": "Far away"}, prev_events=(self.create.event_id,))

    @property
    def far(self) -> RoomID:
        return self.create.room_id

    def made(self, type_: str, content: Json, state_key: str = "", **changes: Any) -> Event:
        version = room_version(self.version)
        is_create = type_ == "m.room.create"
        hashed = is_create and version.room_id_is_create_hash
        room_id = RoomID("!far:remote.example") if is_create and not hashed else None
        fields: dict[str, Any] = {
            "version": version,
            "room_id": None if hashed else room_id or self.far,
            "type": type_,
            "state_key": state_key,
            "sender": ROB,
            "content": content,
            "origin_server_ts": int(self.reactor.seconds() * 1000),
            "depth": 1,
            "prev_events": (),
            "auth_events": (),
            "event_id": EventID("$own:remote.example") if version.event_ids is EventIDForm.ASSIGNED else None,
        }
        built = build_event(Proposal(**{**fields, **changes}), self.signer)
        return self.with_origin(built)

    def with_origin(self, event: Event) -> Event:
        """The specification asks for it in invitations."""
        pdu: Json = {**event.pdu(), "origin": "remote.example", "signatures": {}}
        pdu["hashes"] = {"sha256": content_hash(pdu, event.version)}
        return sign_event(parse_pdu(pdu, event.version), self.signer)

    def invitation(self, **changes: Any) -> Event:
        return self.made("m.room.member", {"membership": "invite"}, self.alice.user_id, **changes)

    def invite(self, event: Event, **changes: Any) -> Answer:
        told = [self.create.pdu(), self.name.pdu()]
        body = {"room_version": self.version, "event": event.pdu(), "invite_room_state": told, **changes}
        return self.remote.put(f"{V2}/invite/{event.room_id}/{event.event_id}", body)

    def invited(self, **query: Any) -> Json:
        return self.alice.get("/sync", **query)["rooms"].get("invite", {})


class ReceivedInviteTests(InviteTestCase):
    def test_the_invited_sees_it(self) -> None:
        since = self.alice.get("/sync")["next_batch"]
        waiting = self.alice.start_sync(since)
        invitation = self.invitation()
        signed = self.invite(invitation)["event"]
        self.assertEqual(signed["signatures"].keys(), {"remote.example", "test"})
        event = parse_pdu(signed, room_version("12"))
        verify_event(event, ServerName("test"), "ed25519:test", SigningKey("test", b"\x01" * 32).public_key)
        assert waiting.answer is not None
        told = waiting.answer["rooms"]["invite"][self.far]["invite_state"]["events"]
        self.assertEqual(
            [(one["type"], one["content"]) for one in told],
            [
                ("m.room.create", {"room_version": "12"}),
                ("m.room.name", {"name": "Far away"}),
                ("m.room.member", {"membership": "invite"}),
            ],
        )
        self.assertEqual(
            {frozenset(one) for one in told}, {frozenset(("type", "state_key", "sender", "content"))}
        )
        self.assertEqual(self.invited().keys(), {self.far})
        # Once told, it is no news.
        later = self.alice.get("/sync", since=waiting.answer["next_batch"])
        self.assertNotIn("rooms", later.json)

    def test_after_a_restart(self) -> None:
        since = self.alice.get("/sync")["next_batch"]
        self.invite(self.invitation())
        self.restart()
        self.assertEqual(self.invited(since=since).keys(), {self.far})

    def test_ignored_inviters_are_not_shown(self) -> None:
        path = f"/user/{self.alice.user_id}/account_data/m.ignored_user_list"
        self.alice.put(path, {"ignored_users": {ROB: {}}})
        self.assertEqual(self.invite(self.invitation()).status, 200)
        self.assertEqual(self.invited(), {})

    def test_taken_back(self) -> None:
        invitation = self.invitation()
        self.invite(invitation)
        since = self.alice.get("/sync")["next_batch"]
        other = self.other_server("elsewhere.example")
        forged = self.made(
            "m.room.member",
            {"membership": "leave"},
            self.alice.user_id,
            sender=UserID("@rob:elsewhere.example"),
            auth_events=(invitation.event_id,),
        )
        forged = sign_event(forged, EventSigner(other.server_name, other.key))
        kept = self.made("m.room.member", {"membership": "invite"}, self.alice.user_id)
        earlier = self.made("m.room.member", {"membership": "leave"}, self.alice.user_id)
        of_another = self.made(
            "m.room.member",
            {"membership": "leave"},
            self.alice.user_id,
            sender=UserID("@ron:remote.example"),
            auth_events=(invitation.event_id,),
        )
        self.send(forged, kept, earlier, of_another)
        self.assertEqual(self.invited().keys(), {self.far})
        for membership in ("leave", "ban"):
            content = {"membership": membership}
            cited = (invitation.event_id,)
            ended = self.made("m.room.member", content, self.alice.user_id, auth_events=cited)
            self.send(ended)
        self.assertEqual(self.invited(), {})
        left = self.alice.get("/sync", since=since)["rooms"]["leave"][self.far]
        self.assertEqual([one["content"] for one in left["timeline"]["events"]], [{"membership": "leave"}])
        self.advance(32 * 24 * 3600)
        self.assertEqual(self.count("room_elsewhere"), 0)

    def test_who_wants_no_invitations(self) -> None:
        path = f"/user/{self.alice.user_id}/account_data/m.invite_permission_config"
        self.alice.put(path, {"default_action": "block"})
        self.assertEqual(self.invite(self.invitation()).error, (403, "M_INVITE_BLOCKED"))

    def test_older_rooms(self) -> None:
        for version in ("1", "6", "11"):
            with self.subTest(version=version):
                self.version = version
                self.create = self.made("m.room.create", {})
                stripped = {
                    "type": "m.room.name",
                    "state_key": "",
                    "sender": ROB,
                    "content": {"name": version},
                }
                answer = self.invite(self.invitation(), invite_room_state=[stripped, {"type": "nonsense"}])
                self.assertEqual(answer.status, 200, answer.body)
                told = self.invited()["!far:remote.example"]["invite_state"]["events"]
                self.assertEqual(told[0], stripped)
                self.assertEqual(len(told), 2)

    def test_older_rooms_of_which_too_much_is_told(self) -> None:
        self.version = "11"
        self.create = self.made("m.room.create", {})
        topic = {"type": "m.room.topic", "state_key": "", "sender": ROB}
        large = [{**topic, "content": {"topic": "x" * 60_000}} for _ in range(20)]
        for told in ([{**topic, "content": {}}] * 101, large):
            answer = self.invite(self.invitation(), invite_room_state=told)
            self.assertIn(answer.error, [(400, "M_INVALID_PARAM"), (413, "M_TOO_LARGE")])
        self.assertEqual(self.count("room_elsewhere"), 0)

    def test_the_older_way(self) -> None:
        self.version = "1"
        self.create = self.made("m.room.create", {})
        stripped = {"type": "m.room.name", "state_key": "", "sender": ROB, "content": {"name": "old"}}
        event = self.invitation()
        body = {**event.pdu(), "unsigned": {"invite_room_state": [stripped]}}
        status, answer = self.remote.put(f"{V1}/invite/{event.room_id}/{event.event_id}", body).json
        self.assertEqual((status, answer["event"]["signatures"].keys()), (200, {"remote.example", "test"}))
        told = self.invited()["!far:remote.example"]["invite_state"]["events"]
        self.assertEqual(told[0], stripped)

    def test_a_room_that_somebody_here_is_in(self) -> None:
        """Then it comes with the room's other events."""
        self.join()
        bob = self.register("bob")
        event = self.with_origin(self.event("m.room.member", {"membership": "invite"}, state_key=bob.user_id))
        path = f"{V2}/invite/{self.room_id}/{event.event_id}"
        body = {
            "room_version": self.head().version,
            "event": event.pdu(),
            "invite_room_state": [self.current(("m.room.create", ""))["m.room.create", ""].pdu()],
        }
        self.assertEqual(self.remote.put(path, body).status, 200)
        self.assertEqual(self.count("room_elsewhere"), 0)

    def test_what_is_no_invitation(self) -> None:
        good = self.invitation()
        member = {"membership": "join"}
        wrong = [
            self.made("m.room.member", member, self.alice.user_id),
            self.made("m.room.name", {"membership": "invite"}, self.alice.user_id),
            self.made("m.room.member", {"membership": "invite"}, "@x:elsewhere.example"),
            self.made("m.room.member", {"membership": "invite"}, "nobody"),
        ]
        for event in wrong:
            self.assertEqual(self.invite(event).error, (400, "M_INVALID_PARAM"))
        changed: list[Json] = [{"signatures": {}}, {"hashes": {"sha256": "A" * 43}}]
        for changes in changed:
            body = {"room_version": "12", "event": {**good.pdu(), **changes}}
            path = f"{V2}/invite/{self.far}/{good.event_id}"
            answer = self.remote.put(path, {**body, "invite_room_state": [self.create.pdu()]})
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))
        body = {"room_version": "12", "event": good.pdu(), "invite_room_state": [self.create.pdu()]}
        for path in (f"{self.far}/$other", f"{self.room_id}/{good.event_id}"):
            answer = self.remote.put(f"{V2}/invite/{path}", body)
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))
        foreign = self.invitation(sender=UserID("@x:elsewhere.example"))
        self.assertEqual(self.invite(foreign).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.count("room_elsewhere"), 0)

    def test_rooms_that_say_something_wrong_of_themselves(self) -> None:
        other = self.made("m.room.create", {"room_version": "12", "other": True})
        stripped = {"type": "m.room.create", "state_key": "", "sender": ROB, "content": {}}
        wrong: list[list[Json]] = [
            [self.name.pdu()],
            [other.pdu()],
            [stripped],
            [self.create.pdu()] * 101,
        ]
        for told in wrong:
            answer = self.invite(self.invitation(), invite_room_state=told)
            self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

    def test_rooms_that_say_nothing_of_themselves(self) -> None:
        self.assertEqual(self.invite(self.invitation(), invite_room_state=[]).status, 200)
        self.assertEqual(self.invited().keys(), {self.far})

    def test_versions_that_nobody_knows(self) -> None:
        answer = self.invite(self.invitation(), room_version="13")
        self.assertEqual(answer.error, (400, "M_INCOMPATIBLE_ROOM_VERSION"))

    def test_users_that_there_are_not(self) -> None:
        event = self.made("m.room.member", {"membership": "invite"}, "@nobody:test")
        self.assertEqual(self.invite(event).error, (403, "M_FORBIDDEN"))
