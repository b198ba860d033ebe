"""/sync at the wire with filters that want events in another form, or parts of them."""

from typing import Any

from homeserver.protocol.events import parse_pdu
from homeserver.protocol.room_versions import ROOM_VERSIONS
from homeserver.sync.tests.test_sync import TOPIC, SyncTestCase
from tests.wire import each

Json = Any

_OF_ALL = ["event_id", "type", "sender", "origin_server_ts"]
"""What the answer's schema wants of every event."""


class EventFieldsTests(SyncTestCase):
    def fields(self, *paths: str) -> list[Json]:
        wish = {"event_fields": [*_OF_ALL, *paths]}
        return self.bob.sync(filter=wish).timeline(self.room_id)

    def test_parts_of_content(self) -> None:
        path = f"/rooms/{self.room_id}/send/m.room.message/t"
        self.alice.put(path, {"body": "hello", "msgtype": "m.text", "a.b": 1, "x": {"y": 2, "z": 3}})
        said = self.fields("content.body", "content.a\\.b", "content.x.y", "unsigned.membership")[-1]
        self.assertEqual(said["content"], {"body": "hello", "a.b": 1, "x": {"y": 2}})
        self.assertEqual(said["unsigned"], {"membership": "join"})
        self.assertEqual(said.keys(), {*_OF_ALL, "content", "unsigned"})

    def test_state(self) -> None:
        wish = {"event_fields": [*_OF_ALL, "state_key", "content.topic"], "room": {"timeline": {"types": []}}}
        events = self.bob.sync(filter=wish).state(self.room_id)
        topics = [event for event in events if event["type"] == TOPIC]
        self.assertEqual([event["content"] for event in topics], [{"topic": "before"}])
        self.assertTrue(all(event.keys() <= {*_OF_ALL, "state_key", "content"} for event in events))


class EventFormatTests(SyncTestCase):
    def sync_pdus(self, since: str | None = None, **more: Json) -> Any:
        return self.bob.sync(since, filter={"event_format": "federation", **more})

    def test_all_versions(self) -> None:
        def check(version: str) -> None:
            room_id = self.alice.create_room(room_version=version, members=[self.bob])
            event_id = self.alice.send(room_id, "hello")
            answer = self.sync_pdus(room={"rooms": [room_id], "timeline": {"limit": 2}})
            for told in (*answer.state(room_id), *answer.timeline(room_id)):
                pdu = {name: value for name, value in told.items() if name not in ("event_id", "unsigned")}
                if version in ("1", "2"):
                    pdu["event_id"] = told["event_id"]
                # The ID is the hash of all that is told.
                self.assertEqual(parse_pdu(pdu, ROOM_VERSIONS[version]).event_id, told["event_id"])
                self.assertIn("prev_events", told)
                self.assertIn("signatures", told)
            said = answer.timeline(room_id)[-1]
            self.assertEqual(said["event_id"], event_id)
            self.assertEqual(said["content"]["body"], "hello")
            self.assertEqual(said["unsigned"]["membership"], "join")

        each(check, list(ROOM_VERSIONS))

    def test_redacted(self) -> None:
        event_id = self.alice.send(self.room_id, "secret")
        self.alice.redact(self.room_id, event_id)
        told = {event["event_id"]: event for event in self.sync_pdus().timeline(self.room_id)}
        self.assertEqual(told[event_id]["content"], {})
        self.assertIn("redacted_because", told[event_id]["unsigned"])
        self.assertIn("hashes", told[event_id])

    def test_what_comes_later(self) -> None:
        since = self.bob.sync().next_batch
        self.alice.send(self.room_id, "hello")
        (said,) = self.sync_pdus(since).timeline(self.room_id)
        self.assertIn("auth_events", said)

    def test_parts_of_pdus(self) -> None:
        since = self.bob.sync().next_batch
        self.alice.send(self.room_id, "hello")
        (said,) = self.sync_pdus(since, event_fields=[*_OF_ALL, "content", "depth"]).timeline(self.room_id)
        self.assertEqual(said.keys(), {*_OF_ALL, "content", "depth"})
