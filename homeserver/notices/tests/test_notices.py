from collections.abc import Sequence
from typing import ClassVar

from tests.client import Client, Json
from tests.wire import PASSWORD, WireTestCase

PATH = "/_synapse/admin/v1/send_server_notice"
CONTENT = {"msgtype": "m.text", "body": "We are going to be away tonight"}


class NoticeTestCase(WireTestCase):
    settings: ClassVar[Sequence[str]] = (
        "server_notices={system_mxid_localpart: notices, system_mxid_display_name: The Server, room_topic: News}",
    )

    def setUp(self) -> None:
        super().setUp()
        self.admin, self.alice = self.register_admin("admin"), self.register("alice")

    def notify(self, user: Client, **more: Json) -> str:
        answer = self.admin.post(PATH, {"user_id": user.user_id, "content": CONTENT, **more})
        event_id: str = answer["event_id"]
        return event_id

    def room(self, user: Client) -> str:
        """That to which the user is invited, or joined."""
        rooms = user.sync().json["rooms"]
        [room_id] = rooms.get("invite", {}) or rooms["join"]
        return str(room_id)


class SendTests(NoticeTestCase):
    def test_an_invitation_then_a_message(self) -> None:
        event_id = self.notify(self.alice)
        room_id = self.room(self.alice)
        stripped = self.alice.sync().json["rooms"]["invite"][room_id]["invite_state"]["events"]
        told = {event["type"]: event["content"] for event in stripped}
        self.assertEqual(told["m.room.name"], {"name": "Server Notices"})
        self.alice.join(room_id)
        room = self.alice.sync().room(room_id)
        self.assertEqual(room["timeline"]["events"][-2]["event_id"], event_id)
        self.assertEqual(room["timeline"]["events"][-2]["content"], CONTENT)
        self.assertEqual(room["timeline"]["events"][-2]["sender"], "@notices:test")
        tags = self.alice.get(f"/user/{self.alice.user_id}/rooms/{room_id}/tags")["tags"]
        self.assertEqual(tags, {"m.server_notice": {}})

    def test_always_in_the_same_room(self) -> None:
        self.notify(self.alice)
        room_id = self.room(self.alice)
        self.alice.join(room_id)
        self.notify(self.alice, type="org.test", state_key="x")
        self.assertEqual(self.room(self.alice), room_id)
        self.restart()
        self.notify(self.alice)
        self.assertEqual(self.room(self.alice), room_id)
        self.assertEqual(self.count("notice_room"), 1)

    def test_each_user_has_one(self) -> None:
        bob = self.register("bob")
        self.notify(self.alice)
        self.notify(bob)
        self.assertNotEqual(self.room(self.alice), self.room(bob))

    def test_once_for_a_transaction_id(self) -> None:
        body = {"user_id": self.alice.user_id, "content": CONTENT}
        first = self.admin.put(f"{PATH}/1", body)
        self.assertEqual(self.admin.put(f"{PATH}/1", body).json, first.json)
        self.assertNotEqual(self.admin.put(f"{PATH}/2", body).json, first.json)

    def test_only_the_server_speaks(self) -> None:
        self.notify(self.alice)
        room_id = self.room(self.alice)
        self.alice.join(room_id)
        path = f"/rooms/{room_id}/send/m.room.message/1"
        self.assertEqual(self.alice.put(path, CONTENT).error, (403, "M_FORBIDDEN"))

    def test_how_the_speaker_looks(self) -> None:
        profile = self.alice.get("/profile/@notices:test")
        self.assertEqual(profile["displayname"], "The Server")
        body = {"username": "notices", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        self.assertEqual(self.anonymous.post("/register", body).error, (400, "M_USER_IN_USE"))
        identifier = {"type": "m.id.user", "user": "notices"}
        login = {"type": "m.login.password", "identifier": identifier, "password": ""}
        self.assertEqual(self.anonymous.post("/login", login).error, (403, "M_FORBIDDEN"))

    def test_bad_requests(self) -> None:
        good = {"user_id": self.alice.user_id, "content": CONTENT}
        self.assertEqual(self.alice.post(PATH, good).error, (403, "M_FORBIDDEN"))
        for user_id, error in (
            ("alice", (400, "M_INVALID_PARAM")),
            ("@notices:test", (400, "M_INVALID_PARAM")),
            ("@nobody:test", (404, "M_NOT_FOUND")),
            ("@alice:elsewhere.example", (404, "M_NOT_FOUND")),
        ):
            answer = self.admin.post(PATH, {"user_id": user_id, "content": CONTENT})
            self.assertEqual(answer.error, error, user_id)
        self.assertEqual(self.admin.post(PATH, {"content": {}}).error, (400, "M_MISSING_PARAM"))


class LeavingTests(NoticeTestCase):
    def test_nobody_leaves(self) -> None:
        self.notify(self.alice)
        room_id = self.room(self.alice)
        refused = (403, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM")
        self.assertEqual(self.alice.post(f"/rooms/{room_id}/leave").error, refused)
        self.alice.join(room_id)
        self.assertEqual(self.alice.post(f"/rooms/{room_id}/leave").error, refused)
        path = f"/rooms/{room_id}/state/m.room.member/{self.alice.user_id}"
        self.assertEqual(self.alice.put(path, {"membership": "leave"}).error, refused)

    def test_other_rooms_can_be_left(self) -> None:
        self.notify(self.alice)
        room_id = self.alice.create_room()
        self.assertEqual(self.alice.post(f"/rooms/{room_id}/leave").json, {})

    def test_the_end_of_the_account(self) -> None:
        self.notify(self.alice)
        room_id = self.room(self.alice)
        self.alice.join(room_id)
        identifier = {"type": "m.id.user", "user": self.alice.user_id}
        auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        self.assertEqual(self.alice.post("/account/deactivate", {"auth": auth}).status, 200)
        self.advance(61)
        self.assertEqual(self.notify_error(), (404, "M_NOT_FOUND"))
        self.advance(24 * 3600)
        self.assertEqual(self.count("notice_room"), 0)

    def notify_error(self) -> tuple[int, str]:
        error: tuple[int, str] = self.admin.post(
            PATH, {"user_id": self.alice.user_id, "content": CONTENT}
        ).error
        return error


class AutoJoinTests(NoticeTestCase):
    settings: ClassVar[Sequence[str]] = (
        "server_notices={system_mxid_localpart: notices, auto_join: true, room_avatar_url: 'mxc://test/a'}",
    )

    def test_users_are_there_at_once(self) -> None:
        self.notify(self.alice)
        room_id = self.room(self.alice)
        avatar = self.alice.get(f"/rooms/{room_id}/state/m.room.avatar")
        self.assertEqual(avatar.json, {"url": "mxc://test/a"})
        self.assertIn(room_id, self.alice.sync().json["rooms"]["join"])


class OffTests(WireTestCase):
    def test_without_a_speaker(self) -> None:
        admin = self.register_admin("admin")
        body = {"user_id": admin.user_id, "content": CONTENT}
        self.assertEqual(admin.post(PATH, body).error, (400, "M_UNKNOWN"))
