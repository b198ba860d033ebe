"""What tests of unread counts have in common."""

from typing import Any

from tests.client import Client, Json
from tests.wire import WireTestCase

BY_THREAD = {"room": {"timeline": {"unread_thread_notifications": True}}}
Counts = tuple[int, int]
"""Notifications and highlights."""


def pair(counts: Json) -> Counts:
    return counts["notification_count"], counts["highlight_count"]


class UnreadTestCase(WireTestCase):
    """Alice, Bob and Carol in a room; everything before is read."""

    def setUp(self) -> None:
        super().setUp()
        self.sent = 0
        self.alice, self.bob, self.carol = (self.register(name) for name in ("alice", "bob", "carol"))
        self.room_id = self.bob.create_room(members=[self.alice, self.carol], preset="public_chat")

    def say(self, user: Client | None = None, *, room_id: str = "", more: Json = None, **content: Any) -> str:
        """Sends a message, as Bob unless said otherwise; its event ID. `more` is content whose names have dots."""
        type_ = content.pop("type", "m.room.message")
        self.sent += 1
        path = f"/rooms/{room_id or self.room_id}/send/{type_}/unread{self.sent}"
        body = {"msgtype": "m.text", "body": "hello", **content, **(more or {})}
        event_id: str = (user or self.bob).put(path, body)["event_id"]
        return event_id

    def say_in(self, root: str, user: Client | None = None, *, more: Json = None) -> str:
        relation = {"rel_type": "m.thread", "event_id": root}
        return self.say(user, more={"m.relates_to": relation, **(more or {})})

    def mention(self, user: Client, by: Client | None = None) -> str:
        return self.say(by, more={"m.mentions": {"user_ids": [user.user_id]}})

    def read(self, user: Client, event_id: str, type_: str = "m.read", thread: str | None = None) -> None:
        body = {} if thread is None else {"thread_id": thread}
        path = f"/rooms/{self.room_id}/receipt/{type_}/{event_id}"
        self.assertEqual(user.post(path, body).json, {})

    def unread(self, user: Client, room_id: str = "") -> Counts:
        """Of all threads together, as a first sync tells it."""
        room = user.sync().room(room_id or self.room_id)
        self.assertNotIn("unread_thread_notifications", room)
        return pair(room["unread_notifications"])

    def by_thread(self, user: Client) -> dict[str, Counts]:
        """The thread "main" is told where there is nothing, too."""
        room = user.sync(filter=BY_THREAD).room(self.room_id)
        threads = room.get("unread_thread_notifications", {})
        return {
            "main": pair(room["unread_notifications"]),
            **{root: pair(counts) for root, counts in threads.items()},
        }

    def rule(self, user: Client, path: str, **body: Json) -> None:
        self.assertEqual(user.put(f"/pushrules/global/{path}", {"actions": [], **body}).json, {})
