"""What clients ask of the liar: profiles, devices, keys, rooms. It answers with anything."""

from typing import Any

from homeserver.protocol.json import JsonObject
from tests.client import Answer
from tests.federation.hostile.liar import LiarTestCase
from tests.wire import each

ROB = "@rob:remote.example"
EVE = "@eve:remote.example"
SPACE = "!space:remote.example"

ODD: list[Any] = [None, True, 1, 2**63 - 1, 1.5, "", "x", "\0", [], [1], [[]], [{}], {}, {"x": {}}, {"": [1]}]


def deep(levels: int) -> JsonObject:
    value: JsonObject = {}
    for _ in range(levels):
        value = {"x": value}
    return value


class AnswerTests(LiarTestCase):
    """The client gets an answer that it can read, whatever was said here."""

    def is_fine(self, answer: Answer) -> None:
        """Not an error of ours. That it is what the specification says is seen to by the wire."""
        self.assertIn(answer.status, (200, 400, 403, 404, 502), answer.body[:500])

    def test_profiles(self) -> None:
        def check(value: Any) -> None:
            picture = {} if isinstance(value, str) else {"avatar_url": value}
            for told in (value, {"displayname": value, "m.tz": value, "": value, **picture}):
                self.lies["/query/profile"] = lambda _, told=told: told  # type: ignore[misc]  # bound now
                self.is_fine(self.alice.get(f"/profile/{EVE}"))
                self.is_fine(self.alice.get(f"/profile/{EVE}/displayname"))
            self.goes_on()

        each(check, [*ODD, deep(500), {"x" * 300: 1}])

    def test_devices(self) -> None:
        def check(value: Any) -> None:
            whole = {"user_id": ROB, "stream_id": 1, "devices": []}
            device = {"device_id": "D", "keys": {"user_id": ROB, "device_id": "D"}}
            told = [value, *({**whole, key: value} for key in whole)]
            told += [{**whole, "devices": [{**device, key: value}]} for key in device]
            told += [
                {**whole, "master_key": value},
                {**whole, "devices": [{"device_id": "D", "keys": {"x": value}}]},
            ]
            for one in told:
                self.lies["/user/devices/"] = lambda _, one=one: one  # type: ignore[misc]  # bound now
                self.lies["/user/keys/query"] = self.lies["/user/devices/"]
                asked: JsonObject = {"device_keys": {ROB: [], EVE: []}}
                answer = self.alice.post("/keys/query", asked)
                self.assertEqual(answer.status, 200)
                self.assertLessEqual(answer["device_keys"].keys(), {ROB, EVE})
            self.goes_on()

        each(check, ODD)

    def test_devices_of_others(self) -> None:
        """Keys of Alice, of the third server's users, and of another device are left out."""
        keys = {
            "user_id": self.alice.user_id,
            "device_id": "D",
            "algorithms": [],
            "keys": {},
            "signatures": {},
        }
        master = {"user_id": self.alice.user_id, "usage": ["master"], "keys": {"ed25519:A": "A"}}
        told = {user: {"D": {**keys, "user_id": user}} for user in (self.alice.user_id, "@tom:third.example")}
        told[EVE] = {"D": keys}
        self.lies["/user/keys/query"] = lambda _: {
            "device_keys": told,
            "master_keys": {EVE: master, self.alice.user_id: master},
        }
        answer = self.alice.post("/keys/query", {"device_keys": {EVE: [], self.alice.user_id: []}})
        self.assertEqual(answer["device_keys"].get(EVE, {}), {})
        self.assertNotIn("D", answer["device_keys"].get(self.alice.user_id, {}))
        self.assertEqual(answer["master_keys"], {})

    def test_claims(self) -> None:
        def check(value: Any) -> None:
            told = [value, {"one_time_keys": value}, {"one_time_keys": {ROB: value}}]
            told += [
                {"one_time_keys": {ROB: {"D": value}}},
                {"one_time_keys": {self.alice.user_id: {"D": {"x": 1}}}},
            ]
            told += [{"one_time_keys": {ROB: {"D": {"signed_curve25519:A": value}}}}]
            for one in told:
                self.lies["/user/keys/claim"] = lambda _, one=one: one  # type: ignore[misc]  # bound now
                answer = self.alice.post("/keys/claim", {"one_time_keys": {ROB: {"D": "signed_curve25519"}}})
                self.assertEqual(answer.status, 200)
                self.assertLessEqual(answer["one_time_keys"].keys(), {ROB})
            self.goes_on()

        each(check, ODD)

    def test_aliases(self) -> None:
        alias = "%23there:remote.example"

        def check(value: Any) -> None:
            whole = {"room_id": "!there:remote.example", "servers": ["remote.example"]}
            for told in (
                value,
                *({**whole, key: value} for key in whole),
                {**whole, "servers": [value] * 1000},
            ):
                self.lies["/query/directory"] = lambda _, told=told: told  # type: ignore[misc]  # bound now
                self.is_fine(self.alice.get(f"/directory/room/{alias}"))
                self.is_fine(self.alice.request("POST", f"/join/{alias}", {}))

        each(check, ODD)
        self.goes_on()

    def test_lists_of_rooms(self) -> None:
        room = {"room_id": "!there:remote.example", "num_joined_members": 1}
        whole = {**room, "world_readable": True, "guest_can_join": True}

        def check(value: Any) -> None:
            told = [value, {"chunk": value}, {"chunk": [value] * 1000}]
            told += [
                {"chunk": [{**whole, key: value}]}
                for key in (*whole, "name", "topic", "room_type", "join_rule")
            ]
            told += [{"chunk": [whole], key: value} for key in ("next_batch", "total_room_count_estimate")]
            for one in told:
                self.lies["/publicRooms"] = lambda _, one=one: one  # type: ignore[misc]  # bound now
                answer = self.alice.get("/publicRooms", server="remote.example", limit=10)
                self.is_fine(answer)
                if answer.status == 200:
                    self.assertLessEqual(len(answer["chunk"]), 10)

        each(check, ODD)
        self.goes_on()

    def test_spaces(self) -> None:
        def check(value: Any) -> None:
            room = self.told_space(SPACE)
            told = [value, {"room": value, "children": []}, {"room": room, "children": value}]
            told += [
                {"room": {**room, key: value}, "children": []} for key in (*room, "name", "allowed_room_ids")
            ]
            told += [{"room": {**room, "children_state": [value]}, "children": [value] * 1000}]
            for one in told:
                self.lies["/hierarchy/"] = lambda _, one=one: one  # type: ignore[misc]  # bound now
                self.is_fine(self.hierarchy(SPACE))

        each(check, ODD)
        self.goes_on()

    def test_spaces_within_themselves(self) -> None:
        """A walk comes to an end: each room is told of once."""
        room = self.told_space(SPACE, SPACE, "!inner:remote.example")
        inner = self.told_space("!inner:remote.example", SPACE, "!inner:remote.example")
        self.lies["/hierarchy/"] = lambda _: {"room": room, "children": [inner, room, inner]}
        token, pages = None, 0
        while pages == 0 or token is not None:
            answer = self.hierarchy(SPACE, **({} if token is None else {"from": token}))
            token, pages = answer.json.get("next_batch"), pages + 1
            self.assertLess(pages, 10)
        self.goes_on()

    def told_space(self, room_id: str, *children: str) -> JsonObject:
        state = [
            {
                "type": "m.space.child",
                "state_key": child,
                "content": {"via": ["remote.example"]},
                "sender": ROB,
                "origin_server_ts": 1,
            }
            for child in children
        ]
        return {
            "room_id": room_id,
            "num_joined_members": 1,
            "world_readable": True,
            "guest_can_join": False,
            "join_rule": "public",
            "room_type": "m.space",
            "children_state": state,
        }

    def hierarchy(self, room_id: str, **query: Any) -> Answer:
        return self.alice.get(f"/_matrix/client/v1/rooms/{room_id}/hierarchy", **query)
