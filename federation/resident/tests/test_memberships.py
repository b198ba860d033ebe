"""Users of another server join, knock and leave with the help of this one."""

from typing import Any
from urllib.parse import quote

from federation.incoming.tests.neighbour import ROB, NeighbourTestCase
from homeserver.protocol.events import Event, Proposal, build_event, parse_pdu
from homeserver.protocol.hashes import reference_hash
from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.protocol.room_versions import ROOM_VERSIONS, EventIDForm, room_version
from homeserver.protocol.signing import EventSigner
from tests.client import Answer, Json
from tests.wire import Exchange, WireServer

V1, V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
VERSIONS = [("ver", version) for version in ROOM_VERSIONS]


class HandshakeTestCase(NeighbourTestCase):
    made_events = 0

    def new_room(self, **wish: Json) -> RoomID:
        return RoomID(self.alice.create_room(**wish))

    def make(self, membership: str, user_id: str = ROB, room_id: str = "", **options: Any) -> Answer:
        server: WireServer = options.pop("by", self.remote)
        path = f"{V1}/make_{membership}/{room_id or self.room_id}/{user_id}"
        return server.request("GET", path, query=options.pop("ver", VERSIONS))

    def completed(self, template: Json, version: str, signer: EventSigner | None = None) -> Event:
        """The event as the other server makes it of the template."""
        fields = room_version(version)
        edges = [*template["prev_events"], *template["auth_events"]]
        hashes = {one[0]: one[1]["sha256"] for one in edges} if fields.edges_carry_hashes else {}
        self.made_events += 1
        assigned = fields.event_ids is EventIDForm.ASSIGNED
        proposal = Proposal(
            version=fields,
            room_id=template["room_id"],
            type=template["type"],
            state_key=template["state_key"],
            sender=template["sender"],
            content=template["content"],
            origin_server_ts=template["origin_server_ts"],
            depth=template["depth"],
            event_id=EventID(f"$made{self.made_events}:remote.example") if assigned else None,
            edge_hashes=hashes,
            prev_events=_ids(template["prev_events"]),
            auth_events=_ids(template["auth_events"]),
        )
        return build_event(proposal, signer or self.signer)

    def hand_in(self, membership: str, event: Event, api: str = V2, **query: Any) -> Answer:
        event_id = quote(event.event_id, safe="")
        path = f"{api}/send_{membership}/{event.room_id}/{event_id}"
        return self.remote.request("PUT", path, event.pdu(), query=query)

    def made(self, membership: str, user_id: str = ROB) -> Event:
        answer = self.make(membership, user_id)
        return self.completed(answer["event"], answer["room_version"])

    def membership(self, user_id: str = ROB) -> str:
        state = self.alice.state(self.room_id, "m.room.member", user_id)
        return str(state["membership"])


def _ids(edges: Json) -> tuple[EventID, ...]:
    return tuple(EventID(one if isinstance(one, str) else one[0]) for one in edges)


class JoinTests(HandshakeTestCase):
    def test_join(self) -> None:
        join = self.made("join")
        answer = self.hand_in("join", join)
        version = ROOM_VERSIONS[self.head().version]
        state = {event.slot: event for event in (parse_pdu(pdu, version) for pdu in answer["state"])}
        self.assertIn(("m.room.create", ""), state)
        self.assertEqual(state["m.room.member", self.alice.user_id].membership, "join")
        self.assertNotIn(("m.room.member", ROB), state)
        chain = {parse_pdu(pdu, version).event_id for pdu in answer["auth_chain"]}
        self.assertTrue({one for event in (*state.values(), join) for one in event.auth_events} <= chain)
        self.assertEqual(answer["event"], join.pdu())
        self.assertEqual((answer["members_omitted"], answer["servers_in_room"]), (False, ["test"]))
        self.assertEqual(self.membership(), "join")

    def test_every_room_version(self) -> None:
        for version in ROOM_VERSIONS:
            with self.subTest(version=version):
                room_id = self.alice.create_room(preset="public_chat", room_version=version)
                answer = self.make("join", room_id=room_id)
                self.assertEqual(answer["room_version"], version)
                join = self.completed(answer["event"], version)
                self.assertEqual(self.hand_in("join", join).status, 200)
                # The same again, as if the answer had been lost.
                self.assertEqual(self.hand_in("join", join).status, 200)
                member = self.alice.state(room_id, "m.room.member", ROB)
                self.assertEqual(member["membership"], "join")

    def test_asked_twice_at_once(self) -> None:
        """As by a server to which an answer takes too long."""
        join = self.made("join")
        path = f"{V2}/send_join/{quote(self.room_id)}/{quote(join.event_id)}"
        self.threads.halt()
        asked = [Exchange(self.site, self.remote.compose("PUT", path, join.pdu())) for _ in range(2)]
        self.threads.go_on()
        self.assertEqual([one.answer.status for one in asked if one.answer], [200, 200])
        self.assertEqual(self.membership(), "join")

    def test_an_id_that_an_event_of_another_room_has(self) -> None:
        taken = self.alice.create_room(preset="public_chat", room_version="1")
        template = self.make("join", room_id=taken)["event"]
        self.assertEqual(self.hand_in("join", self.completed(template, "1")).status, 200)
        self.room_id = self.new_room(preset="public_chat", room_version="1")
        self.made_events = 0
        answer = self.hand_in("join", self.made("join"))
        self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

    def test_hashes_of_old_edges(self) -> None:
        self.room_id = self.new_room(preset="public_chat", room_version="1")
        template = self.make("join")["event"]
        for event_id, hashes in template["prev_events"]:
            (pdu,) = self.stored(event_id)
            self.assertEqual(hashes["sha256"], reference_hash(pdu.pdu(), pdu.version))

    def stored(self, event_id: str) -> list[Event]:
        found = self.current(("m.room.history_visibility", ""), ("m.room.join_rules", ""))
        found |= self.current(("m.room.guest_access", ""), ("m.room.power_levels", ""))
        return [event for event in found.values() if event.event_id == event_id]

    def test_the_older_way(self) -> None:
        answer = self.hand_in("join", self.made("join"), V1)
        status, body = answer.json
        self.assertEqual((answer.status, status, body["origin"]), (200, 200, "test"))

    def test_others_in_the_room_are_told(self) -> None:
        other = self.other_server("other.example")
        signer = EventSigner(other.server_name, other.key)
        carol = UserID("@carol:other.example")
        template = self.make("join", carol, by=other)
        join = self.completed(template["event"], template["room_version"], signer)
        path = f"{V2}/send_join/{self.room_id}/{join.event_id}"
        self.assertEqual(other.put(path, join.pdu()).status, 200)
        before = self.count("federation_outgoing")
        answer = self.hand_in("join", self.made("join"))
        self.assertEqual(answer["servers_in_room"], ["test", "other.example"])
        self.assertEqual(self.count("federation_outgoing"), before + 1)

    def test_without_members(self) -> None:
        for name in ("bob", "carol"):
            self.register(name).join(self.room_id)
        self.alice.set_state(self.room_id, "m.room.name", {"name": "A name"})
        answer = self.hand_in("join", self.made("join"), omit_members="true")
        self.assertTrue(answer["members_omitted"])
        self.assertNotIn("m.room.member", {pdu["type"] for pdu in answer["state"]})
        # What authorises the state and the join is there all the same.
        self.assertIn("@alice:test", {pdu["sender"] for pdu in answer["auth_chain"]})

    def test_without_members_but_those_that_name_the_room(self) -> None:
        for number in range(7):
            self.register(f"user{number}").join(self.room_id)
        answer = self.hand_in("join", self.made("join"), omit_members="true")
        members = [pdu["state_key"] for pdu in answer["state"] if pdu["type"] == "m.room.member"]
        self.assertEqual(
            sorted(members), ["@alice:test", "@user0:test", "@user1:test", "@user2:test", "@user3:test"]
        )
        self.assertTrue(answer["members_omitted"])

    def test_wrong_versions(self) -> None:
        answer = self.make("join", ver=[("ver", "1")])
        self.assertEqual(answer.error, (400, "M_INCOMPATIBLE_ROOM_VERSION"))
        self.assertEqual(answer.json["room_version"], self.head().version)
        self.assertEqual(self.make("join", ver=[]).error, (400, "M_INCOMPATIBLE_ROOM_VERSION"))

    def test_who_may_not(self) -> None:
        self.alice.post(f"/rooms/{self.room_id}/ban", {"user_id": ROB})
        self.assertEqual(self.make("join").error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.make("join", "@someone:elsewhere.example").error, (403, "M_FORBIDDEN"))
        closed = self.alice.create_room()
        self.assertEqual(self.make("join", room_id=closed).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.make("join", room_id="!unknown:test").error, (404, "M_NOT_FOUND"))

    def test_who_was_banned_meanwhile(self) -> None:
        join = self.made("join")
        self.alice.post(f"/rooms/{self.room_id}/ban", {"user_id": ROB})
        self.assertEqual(self.hand_in("join", join).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.hand_in("join", join).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.membership(), "ban")

    def test_servers_that_the_room_denies(self) -> None:
        join = self.made("join")
        acl = {"allow": ["*"], "deny": ["remote.example"]}
        self.alice.set_state(self.room_id, "m.room.server_acl", acl)
        self.assertEqual(self.make("join").error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.hand_in("join", join).error, (403, "M_FORBIDDEN"))

    def test_what_is_no_join(self) -> None:
        join = self.made("join")
        template = self.make("join")
        good = template["event"]
        path = f"{V2}/send_join/{self.room_id}/"
        wrong: list[tuple[str, Json]] = [
            ("another ID", (join.event_id[:-1] + "x", join.pdu())),
            ("a broken hash", (join.event_id, {**join.pdu(), "content": {"membership": "join", "x": 1}})),
            ("no signature", (join.event_id, {**join.pdu(), "signatures": {}})),
        ]
        changed: list[Json] = [
            {"type": "m.room.name", "state_key": ""},
            {"content": {"membership": "leave"}},
            {"content": {}},
            {"state_key": "@other:remote.example"},
            {"prev_events": ["$unknown"]},
        ]
        for changes in changed:
            event = self.completed({**good, **changes}, template["room_version"])
            wrong.append((str(changes), (event.event_id, event.pdu())))
        for name, (event_id, pdu) in wrong:
            with self.subTest(name):
                self.assertEqual(self.remote.put(path + event_id, pdu).error, (400, "M_INVALID_PARAM"))
        elsewhere = self.completed({**good, "sender": "@x:else.example"}, template["room_version"])
        answer = self.remote.put(path + elsewhere.event_id, elsewhere.pdu())
        self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.remote.put(path + "$x", {}).error, (400, "M_BAD_JSON"))


class LimitedJoinTests(HandshakeTestCase):
    settings = ("rc_joins_per_room={per_second: 0.001, burst_count: 2}",)

    def test_joins_of_one_room(self) -> None:
        for user_id in ("@a:remote.example", "@b:remote.example"):
            self.assertEqual(self.hand_in("join", self.made("join", user_id)).status, 200)
        answer = self.hand_in("join", self.made("join", "@c:remote.example"))
        self.assertEqual(answer.error, (429, "M_LIMIT_EXCEEDED"))


class RestrictedJoinTests(HandshakeTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.allowed = self.room_id
        self.room_id = self.restricted_to(self.allowed)

    def restricted_to(self, *room_ids: str) -> Any:
        allow = [{"type": "m.room_membership", "room_id": room_id} for room_id in room_ids]
        rules = {"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}
        return self.alice.create_room(initial_state=[rules], room_version="10")

    def enter_allowed(self) -> None:
        room_id, self.room_id = self.room_id, self.allowed
        self.hand_in("join", self.made("join"))
        self.room_id = room_id

    def test_members_of_the_allowed_room(self) -> None:
        self.enter_allowed()
        join = self.made("join")
        self.assertEqual(join.content["join_authorised_via_users_server"], self.alice.user_id)
        answer = self.hand_in("join", join)
        signed = answer["event"]
        self.assertEqual(signed["signatures"].keys(), {"test", "remote.example"})
        self.assertEqual(parse_pdu(signed, room_version("10")).event_id, join.event_id)
        self.assertEqual(self.membership(), "join")

    def test_others(self) -> None:
        self.assertEqual(self.make("join").error, (403, "M_FORBIDDEN"))

    def test_who_left_the_allowed_room_meanwhile(self) -> None:
        self.enter_allowed()
        join = self.made("join")
        self.alice.post(f"/rooms/{self.allowed}/kick", {"user_id": ROB})
        self.assertEqual(self.hand_in("join", join).error, (403, "M_FORBIDDEN"))

    def test_rooms_that_are_not_known_here(self) -> None:
        self.room_id = self.restricted_to("!unknown:elsewhere.example")
        self.assertEqual(self.make("join").error, (400, "M_UNABLE_TO_AUTHORISE_JOIN"))

    def test_rooms_that_everybody_here_has_left(self) -> None:
        """Nobody here is told who is still in them."""
        self.enter_allowed()
        self.alice.leave(self.allowed)
        self.assertEqual(self.make("join").error, (400, "M_UNABLE_TO_AUTHORISE_JOIN"))

    def test_no_rooms(self) -> None:
        self.room_id = self.restricted_to()
        self.assertEqual(self.make("join").error, (403, "M_FORBIDDEN"))

    def test_nobody_here_may_invite(self) -> None:
        self.enter_allowed()
        levels = self.alice.state(self.room_id, "m.room.power_levels").json
        self.alice.set_state(self.room_id, "m.room.power_levels", {**levels, "invite": 100})
        levels["users"] = {}
        self.alice.set_state(self.room_id, "m.room.power_levels", {**levels, "invite": 100})
        self.assertEqual(self.make("join").error, (400, "M_UNABLE_TO_GRANT_JOIN"))


class KnockTests(HandshakeTestCase):
    def setUp(self) -> None:
        super().setUp()
        rules = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
        self.room_id = self.new_room(name="Closed", initial_state=[rules])

    def test_knock(self) -> None:
        answer = self.hand_in("knock", self.made("knock"), V1)
        told = {pdu["type"]: pdu for pdu in answer["knock_room_state"]}
        self.assertEqual(told["m.room.name"]["content"], {"name": "Closed"})
        create = parse_pdu(told["m.room.create"], ROOM_VERSIONS[self.head().version])
        self.assertEqual(create.room_id, self.room_id)
        self.assertEqual(self.membership(), "knock")

    def test_withdrawn(self) -> None:
        self.hand_in("knock", self.made("knock"), V1)
        self.assertEqual(self.hand_in("leave", self.made("leave")).json, {})
        self.assertEqual(self.membership(), "leave")

    def test_who_may_not(self) -> None:
        open_room = self.alice.create_room(preset="public_chat")
        self.assertEqual(self.make("knock", room_id=open_room).error, (403, "M_FORBIDDEN"))
        answer = self.make("knock", ver=[("ver", "6")])
        self.assertEqual(answer.error, (400, "M_INCOMPATIBLE_ROOM_VERSION"))

    def test_what_is_no_knock(self) -> None:
        event = self.completed(
            {**self.make("knock")["event"], "content": {"membership": "join"}}, self.head().version
        )
        self.assertEqual(self.hand_in("knock", event, V1).error, (400, "M_INVALID_PARAM"))


class LeaveTests(HandshakeTestCase):
    def test_leave(self) -> None:
        self.hand_in("join", self.made("join"))
        self.assertEqual(self.hand_in("leave", self.made("leave")).json, {})
        self.assertEqual(self.membership(), "leave")

    def test_the_older_way(self) -> None:
        self.hand_in("join", self.made("join"))
        self.assertEqual(self.hand_in("leave", self.made("leave"), V1).json, [200, {}])

    def test_who_is_not_there(self) -> None:
        self.assertEqual(self.make("leave").error, (403, "M_FORBIDDEN"))
