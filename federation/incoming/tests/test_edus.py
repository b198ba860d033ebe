from typing import Any

from federation.incoming.tests.neighbour import ROB, NeighbourTestCase
from homeserver.protocol.json import JsonObject
from tests.client import Answer


def edu(type_: str, **content: Any) -> JsonObject:
    return {"edu_type": type_, "content": content}


class EduTestCase(NeighbourTestCase):
    settings = ("presence={enabled: true}",)

    def setUp(self) -> None:
        super().setUp()
        self.join()
        self.since = self.alice.get("/sync")["next_batch"]

    def tell(self, *edus: JsonObject) -> None:
        answer = self.send(edus=list(edus))
        self.assertEqual(answer.json, {"pdus": {}})

    def news(self) -> Answer:
        return self.alice.get("/sync", since=self.since)

    def ephemeral(self) -> list[JsonObject]:
        room = self.news().json.get("rooms", {}).get("join", {}).get(self.room_id, {})
        events: list[JsonObject] = room.get("ephemeral", {}).get("events", [])
        return events

    def deny(self) -> None:
        acl = {"allow": ["*"], "deny": [self.remote.server_name]}
        self.alice.put(f"/rooms/{self.room_id}/state/m.room.server_acl", acl)


class TypingTests(EduTestCase):
    def typing(self, *, is_typing: bool = True, user_id: str = ROB, room_id: str | None = None) -> JsonObject:
        return edu("m.typing", room_id=room_id or self.room_id, user_id=user_id, typing=is_typing)

    def test_begins_and_ends(self) -> None:
        self.tell(self.typing())
        self.assertEqual(self.ephemeral(), [{"type": "m.typing", "content": {"user_ids": [ROB]}}])
        self.tell(self.typing(is_typing=False))
        self.assertEqual(self.ephemeral(), [{"type": "m.typing", "content": {"user_ids": []}}])

    def test_ends_by_itself(self) -> None:
        self.tell(self.typing())
        self.advance(60)
        self.assertEqual(self.ephemeral(), [{"type": "m.typing", "content": {"user_ids": []}}])

    def test_of_whom_another_server_may_not_tell(self) -> None:
        for user_id in (self.alice.user_id, "@eve:remote.example", "@rob:elsewhere.example", "rob"):
            self.tell(self.typing(user_id=user_id))
        self.tell(self.typing(room_id="!unknown:test"))
        self.assertEqual(self.ephemeral(), [])

    def test_a_server_that_the_room_denies(self) -> None:
        self.deny()
        self.tell(self.typing())
        self.assertEqual(self.ephemeral(), [])


class ReceiptTests(EduTestCase):
    def receipt(self, event_id: str, user_id: str = ROB, type_: str = "m.read", **data: Any) -> JsonObject:
        told = {user_id: {"data": {"ts": 1, **data}, "event_ids": [event_id]}}
        return edu("m.receipt", **{self.room_id: {type_: told}})

    def test_a_receipt(self) -> None:
        event_id = self.alice.send(self.room_id, "read me")
        self.tell(self.receipt(event_id))
        (shown,) = self.ephemeral()
        self.assertEqual(shown["content"], {event_id: {"m.read": {ROB: {"ts": 1}}}})

    def test_in_a_thread(self) -> None:
        event_id = self.alice.send(self.room_id, "read me")
        self.tell(self.receipt(event_id, thread_id="main"))
        (shown,) = self.ephemeral()
        self.assertEqual(shown["content"][event_id]["m.read"][ROB], {"ts": 1, "thread_id": "main"})

    def test_at_an_event_that_is_not_here_yet(self) -> None:
        self.tell(self.receipt("$later"))
        (shown,) = self.ephemeral()
        self.assertEqual(list(shown["content"]), ["$later"])

    def test_what_is_left_out(self) -> None:
        event_id = self.alice.send(self.room_id, "read me")
        self.tell(self.receipt(event_id, self.alice.user_id))
        self.tell(self.receipt(event_id, type_="m.read.private"))
        self.tell(edu("m.receipt", **{"!unknown:test": {"m.read": {}}, "odd": {}}))
        self.tell(edu("m.receipt", **{self.room_id: "odd"}))
        self.deny()
        self.tell(self.receipt(event_id))
        self.assertEqual(self.ephemeral(), [])


class PresenceTests(EduTestCase):
    def tell_presence(self, user_id: str = ROB, **more: Any) -> None:
        told = {"user_id": user_id, "presence": "online", "last_active_ago": 5_000, **more}
        self.tell(edu("m.presence", push=[told]))
        # News of presence are gathered for a moment.
        self.advance(10)

    def shown(self) -> list[JsonObject]:
        events: list[JsonObject] = self.news().json.get("presence", {}).get("events", [])
        return [event for event in events if event["sender"] != self.alice.user_id]

    def test_presence(self) -> None:
        self.tell_presence(currently_active=True, status_msg="here")
        (shown,) = self.shown()
        self.assertEqual(shown["sender"], ROB)
        self.assertEqual(shown["content"]["presence"], "online")
        self.assertEqual(shown["content"]["status_msg"], "here")

    def test_of_whom_another_server_may_not_tell(self) -> None:
        self.tell_presence("@eve:remote.example")
        self.tell_presence("@rob:elsewhere.example")
        self.tell_presence(presence="asleep")
        self.assertEqual(self.shown(), [])
        self.tell_presence(self.alice.user_id, presence="offline")
        self.assertEqual(self.alice.get(f"/presence/{self.alice.user_id}/status")["presence"], "online")


class KeyTests(EduTestCase):
    def changed(self) -> list[str]:
        users: list[str] = self.news().json.get("device_lists", {}).get("changed", [])
        return users

    def test_changes_of_keys(self) -> None:
        for type_ in ("m.device_list_update", "m.signing_key_update"):
            self.since = self.alice.get("/sync", since=self.since)["next_batch"]
            self.assertEqual(self.changed(), [])
            self.tell(edu(type_, user_id=ROB, device_id="D", stream_id=1))
            self.assertEqual(self.changed(), [ROB])

    def test_of_whom_another_server_may_not_tell(self) -> None:
        for user_id in (self.alice.user_id, "@eve:remote.example"):
            self.tell(edu("m.device_list_update", user_id=user_id, device_id="D", stream_id=1))
        self.assertEqual([user for user in self.changed() if user != ROB], [])


class ToDeviceTests(EduTestCase):
    def message(self, message_id: str = "1", sender: str = ROB) -> JsonObject:
        messages = {self.alice.user_id: {"*": {"secret": message_id}}, "@x:elsewhere.example": {"*": {}}}
        return edu("m.direct_to_device", sender=sender, type="m.x", message_id=message_id, messages=messages)

    def received(self) -> list[JsonObject]:
        events: list[JsonObject] = self.news().json.get("to_device", {}).get("events", [])
        return events

    def test_a_message(self) -> None:
        self.tell(self.message())
        self.assertEqual(self.received(), [{"sender": ROB, "type": "m.x", "content": {"secret": "1"}}])

    def test_the_same_message_again(self) -> None:
        self.tell(self.message(), self.message())
        self.tell(self.message(), self.message("2"))
        self.assertEqual([one["content"]["secret"] for one in self.received()], ["1", "2"])

    def test_of_whom_another_server_may_not_tell(self) -> None:
        self.tell(self.message(sender="@rob:elsewhere.example"))
        self.assertEqual(self.received(), [])


class OddTests(EduTestCase):
    def test_what_nobody_knows(self) -> None:
        self.tell({}, edu("org.example.odd"), {"edu_type": ["odd"], "content": {}}, edu("m.typing"))
        self.assertEqual(self.ephemeral(), [])
