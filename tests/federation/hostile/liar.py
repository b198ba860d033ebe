"""A server that signs with its own key and lies, at the wire of a whole server."""

from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import parse_qs, unquote, urlsplit

from twisted.internet.defer import Deferred

from federation.incoming.tests.neighbour import NeighbourTestCase
from federation.key_answers import publish_keys
from homeserver.http.outbound import Bounds, Outbound, RequestFailed, Response
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.json import JsonObject, JsonValue, decode_json, encode_json


class Question(NamedTuple):
    """What a server is asked. The `path` is unquoted."""

    server: str
    path: str
    query: dict[str, list[str]]
    content: JsonValue
    bounds: Bounds | None


Lie = Callable[[Question], Any]


class LiarTestCase(NeighbourTestCase):
    """Alice's room, in which rob of the liar is, and another one, in which he is, too, and which must go on."""

    room_version = "11"

    def setUp(self) -> None:
        self.lies: dict[str, Lie] = {}
        self.questions: list[Question] = []
        self.there = {"remote.example"}
        patched = patch.object(Outbound, "request", self._asked)
        patched.start()
        self.addCleanup(patched.stop)
        super().setUp()
        self.other_id = self.a_room()
        self.room_id = self.a_room()

    def a_room(self, **wish: Any) -> RoomID:
        """A room of alice's that rob has joined; the one that is spoken of from now on."""
        made = {"preset": "public_chat", "room_version": self.room_version, **wish}
        self.room_id = RoomID(self.alice.create_room(**made))
        self.join()
        return self.room_id

    def state_of(self, room_id: RoomID) -> dict[str, Event]:
        """The first events of a room, by type; of members, rob's is the last."""
        before, self.room_id = self.room_id, room_id
        try:
            slots = [
                (event["type"], event["state_key"])
                for event in self.alice.get(f"/rooms/{room_id}/state").json
            ]
            return {event.type: event for event in self.current(*sorted(slots, key=_rob_last)).values()}
        finally:
            self.room_id = before

    def goes_on(self) -> None:
        """Both rooms: what is said there honestly is shown."""
        for room_id in (self.other_id, self.room_id):
            before, self.room_id = self.room_id, room_id
            text = f"all is well {self.transactions}"
            said = self.said(text)
            self.assertEqual(self.send(said)["pdus"], {said.event_id: {}})
            self.alice.send(room_id, f"{text} indeed")
            self.assertEqual(self.bodies()[-2:], [text, f"{text} indeed"])
            self.room_id = before

    def said(self, body: str, **more: Any) -> Event:
        """A message of rob's."""
        return self.event(content={"msgtype": "m.text", "body": body}, **more)

    def hides(self, *events: Event) -> None:
        """Nothing of the events is shown to clients, in any way."""
        told = str([self.alice.sync().json, self.alice.messages(self.room_id, limit=100).json])
        told += str(self.alice.get(f"/rooms/{self.room_id}/state").json)
        # Not `assertNotIn`, which would show all of it.
        self.assertEqual([event.event_id for event in events if event.event_id in told], [])
        for event in events:
            self.assertEqual(self.alice.get(f"/rooms/{self.room_id}/event/{event.event_id}").status, 404)

    def bodies(self) -> list[str]:
        """Some have none."""
        chunk = self.alice.messages(self.room_id, limit=100)["chunk"]
        return [
            event["content"].get("body", "") for event in chunk[::-1] if event["type"] == "m.room.message"
        ]

    def asked_for(self, part: str) -> list[Question]:
        """What the liar was asked with that in its path."""
        return [question for question in self.questions if part in question.path]

    async def _asked(self, method: str, url: str, **options: Any) -> Response:
        """In the place of `Outbound.request`."""
        parts = urlsplit(url)
        if parts.netloc not in self.there or parts.path.startswith("/.well-known"):
            raise RequestFailed(f"{parts.netloc} is not there")
        body = options.get("body")
        question = Question(
            parts.netloc,
            unquote(parts.path),
            parse_qs(parts.query),
            decode_json(body) if body else None,
            options.get("bounds"),
        )
        self.questions.append(question)
        for part, lie in self.lies.items():
            if part in question.path:
                told = lie(question)
                if isinstance(told, Deferred):
                    # Whoever drips.
                    told = await told
                return told if isinstance(told, Response) else Response(200, {}, encode_json(told))
        if question.path == "/_matrix/key/v2/server":
            return Response(200, {}, encode_json(publish_keys(self.signer, {}, 2**53)))
        return Response(404, {}, encode_json({"errcode": "M_UNRECOGNIZED", "error": "?"}))


def pdus(*events: Event) -> list[JsonObject]:
    return [event.pdu() for event in events]


def _rob_last(slot: tuple[str, str]) -> tuple[str, bool, str]:
    return slot[0], slot[1].endswith(":remote.example"), slot[1]
