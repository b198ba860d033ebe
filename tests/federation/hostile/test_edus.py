"""EDUs about users of others, and EDUs that say too much."""

from typing import Any

from homeserver.protocol.json import JsonObject
from tests.federation.hostile.liar import LiarTestCase
from tests.wire import each

ROB = "@rob:remote.example"
THIRD = "@tom:third.example"


def edu(type_: str, **content: Any) -> JsonObject:
    return {"edu_type": type_, "content": content}


class EduTestCase(LiarTestCase):
    settings = ("presence={enabled: true}",)

    def setUp(self) -> None:
        super().setUp()
        # A user of a third server is in the rooms, too; nothing of what is said of them is theirs.
        third = self.other_server("third.example")
        self.signer, rob = type(self.signer)(third.server_name, third.key), self.signer
        self.send(self.member("join", THIRD), by=third)  # type: ignore[arg-type]  # a user ID
        self.signer = rob
        self.event_id = self.alice.send(self.room_id, "read me")
        self.advance(10)
        self.since = self.alice.sync().json["next_batch"]

    def news(self) -> JsonObject:
        """What Alice is told, without her own presence."""
        news: JsonObject = self.alice.sync(since=self.since).json
        presence = [
            one for one in news.get("presence", {}).get("events", []) if one["sender"] != self.alice.user_id
        ]
        rooms = news.get("rooms", {}).get("join", {})
        ephemeral = [one for room in rooms.values() for one in room.get("ephemeral", {}).get("events", [])]
        lists = news.get("device_lists", {}).get("changed", [])
        return {
            "presence": presence,
            "ephemeral": ephemeral,
            "lists": lists,
            "to_device": news.get("to_device", {}),
        }

    def tell(self, *edus: JsonObject) -> None:
        self.assertEqual(self.send(edus=list(edus)).json, {"pdus": {}})

    def receipts(self, *users: str, event_ids: Any = None) -> JsonObject:
        read = {user: {"data": {"ts": 1}, "event_ids": event_ids or [self.event_id]} for user in users}
        return edu("m.receipt", **{self.room_id: {"m.read": read}})


class OthersTests(EduTestCase):
    def test_users_of_others(self) -> None:
        nothing = self.news()
        for user_id in (THIRD, self.alice.user_id, "@rob:REMOTE.example", "rob", "", "@:"):
            key = {"user_id": user_id, "usage": ["master"], "keys": {"ed25519:A": "A"}}
            self.tell(
                edu("m.typing", room_id=self.room_id, user_id=user_id, typing=True),
                edu(
                    "m.presence", push=[{"user_id": user_id, "presence": "unavailable", "last_active_ago": 1}]
                ),
                edu("m.device_list_update", user_id=user_id, device_id="D", stream_id=1, prev_id=[]),
                edu("m.signing_key_update", user_id=user_id, master_key=key),
                edu(
                    "m.direct_to_device",
                    sender=user_id,
                    type="m.x",
                    message_id="1",
                    messages={self.alice.user_id: {"*": {"x": 1}}},
                ),
                self.receipts(user_id),
            )
        self.advance(10)
        self.assertEqual(self.news(), nothing)
        self.goes_on()

    def test_one_of_another_among_its_own(self) -> None:
        """What is wrong with one does not keep the others out."""
        self.tell(self.receipts(THIRD, "rob", ROB))
        (shown,) = self.news()["ephemeral"]
        self.assertEqual(shown["content"][self.event_id]["m.read"].keys(), {ROB})

    def test_devices_of_others(self) -> None:
        """Only who has the device is sent what is for it."""
        messages = {THIRD: {"*": {"x": 1}}, "@nobody:test": {"*": {}}, "alice": {"*": {}}}
        self.tell(edu("m.direct_to_device", sender=ROB, type="m.x", message_id="2", messages=messages))
        self.assertEqual(self.news()["to_device"], {})
        self.goes_on()


class TooMuchTests(EduTestCase):
    def setUp(self) -> None:
        super().setUp()
        run = self.threads.run
        self.runs = 0

        def counted(*args: Any, **options: Any) -> Any:
            self.runs += 1
            return run(*args, **options)

        self.threads.run = counted  # type: ignore[method-assign]  # to count what is asked of the database

    def test_receipts(self) -> None:
        """A user has read up to one place in a room."""
        reads = self.runs
        self.tell(self.receipts(ROB, event_ids=[f"${number}" for number in range(50_000)]))
        self.assertLess(self.runs - reads, 100)
        self.goes_on()

    def test_users(self) -> None:
        reads = self.runs
        many = [f"@{number}:remote.example" for number in range(20_000)]
        self.tell(self.receipts(*many))
        self.tell(edu("m.presence", push=[{"user_id": user_id, "presence": "online"} for user_id in many]))
        self.assertLess(self.runs - reads, 5_000)
        self.goes_on()

    def test_devices_of_one_user(self) -> None:
        """A list that grows without end is not kept."""
        self.lies["/user/devices/"] = lambda _: {"user_id": ROB, "stream_id": 1, "devices": []}
        self.alice.post("/keys/query", {"device_keys": {ROB: []}})
        name = "x" * 60_000
        for number in range(2, 300):
            keys = {
                "user_id": ROB,
                "device_id": f"D{number}",
                "algorithms": [],
                "keys": {},
                "signatures": {},
                "x": name,
            }
            update = {"user_id": ROB, "device_id": f"D{number}", "stream_id": number, "prev_id": [number - 1]}
            self.tell(edu("m.device_list_update", **update, keys=keys))
        self.assertLess(self.longest_list(), 8 * 1024 * 1024)
        self.goes_on()

    def longest_list(self) -> int:
        def read(txn: Any) -> int:
            return int(txn.row("SELECT coalesce(max(length(devices)), 0) FROM federation_device_list")[0])

        return self.successResultOf(self.server.db.read(read))

    def test_garbage(self) -> None:
        odd: list[Any] = [
            None,
            1,
            -1,
            2**63 - 1,
            1.5,
            True,
            "",
            "\0",
            [],
            {},
            [[]],
            [{}],
            {"": {}},
            {"x": [1]},
        ]
        contents = {
            "m.typing": {"room_id": self.room_id, "user_id": ROB, "typing": True},
            "m.presence": {"push": [{"user_id": ROB, "presence": "online", "last_active_ago": 1}]},
            "m.receipt": self.receipts(ROB)["content"],
            "m.device_list_update": {
                "user_id": ROB,
                "device_id": "D",
                "stream_id": 1,
                "prev_id": [],
                "keys": {},
            },
            "m.signing_key_update": {"user_id": ROB, "master_key": {}, "self_signing_key": {}},
            "m.direct_to_device": {"sender": ROB, "type": "m.x", "message_id": "1", "messages": {}},
        }

        def check(value: Any) -> None:
            for type_, content in contents.items():
                self.tell(*(edu(type_, **{**content, key: value}) for key in content))
                self.tell(*({"edu_type": value, "content": content}, {"edu_type": type_, "content": {}}))

        each(check, odd)
        self.news()
        self.goes_on()
