"""Users and rooms that the service makes when they are asked for."""

from typing import Any

from appservices.tests.serving import ListeningTestCase
from homeserver.http.outbound import RequestFailed, Response

USER = "@_bridge_carol:test"
ALIAS = "#_bridge_room:test"


class QueryTests(ListeningTestCase):
    def makes(self, path: str, make: Any) -> None:
        """What the bridge does before it says yes."""
        says = self.listener.request

        async def request(method: str, url: str, **options: Any) -> Response:
            if url.endswith(path):
                make()
                return Response(200, {}, b"{}")
            return await says(method, url, **options)

        self.patch(self.listener, "request", request)

    def asked(self, kind: str) -> list[str]:
        return [one for one in self.listener.asked if f"/{kind}/" in one]

    def test_inviting_somebody(self) -> None:
        self.makes("/_matrix/app/v1/users/%40_bridge_carol%3Atest", lambda: self.ghost("carol"))
        alice = self.register("alice")
        room_id = alice.create_room()
        self.assertEqual(alice.post(f"/rooms/{room_id}/invite", {"user_id": USER}).status, 200)
        self.assertEqual(self.acting_as(USER).join(room_id).status, 200)

    def test_profiles(self) -> None:
        self.assertEqual(self.anonymous.get(f"/profile/{USER}").error, (404, "M_NOT_FOUND"))
        self.assertEqual(len(self.asked("users")), 1)
        self.makes("/_matrix/app/v1/users/%40_bridge_carol%3Atest", lambda: self.ghost("carol"))
        self.assertEqual(self.anonymous.get(f"/profile/{USER}")["displayname"], "_bridge_carol")

    def test_who_is_there_is_not_asked_about(self) -> None:
        alice, ghost = self.register("alice"), self.ghost("bob")
        alice.create_room(invite=[ghost.user_id])
        self.assertEqual(self.asked("users"), [])

    def test_aliases(self) -> None:
        alice = self.register("alice")
        self.assertEqual(alice.get(f"/directory/room/{ALIAS}").error, (404, "M_NOT_FOUND"))
        self.assertEqual(len(self.asked("rooms")), 1)

        def make() -> None:
            self.bot.create_room(preset="public_chat", room_alias_name="_bridge_room")

        self.makes("/_matrix/app/v1/rooms/%23_bridge_room%3Atest", make)
        room_id = alice.post(f"/join/{ALIAS}")["room_id"]
        self.assertEqual(alice.get(f"/directory/room/{ALIAS}")["room_id"], room_id)
        self.assertEqual(alice.get("/directory/room/#other:test").error, (404, "M_NOT_FOUND"))
        self.assertEqual(len(self.asked("rooms")), 1)

    def test_a_service_that_is_down(self) -> None:
        self.listener.failure = RequestFailed("nobody there")
        self.assertEqual(self.anonymous.get(f"/profile/{USER}").error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.anonymous.get(f"/directory/room/{ALIAS}").error, (404, "M_NOT_FOUND"))

    def test_an_old_service(self) -> None:
        """https://spec.matrix.org/v1.19/application-service-api/#legacy-routes"""
        unknown = (404, {"errcode": "M_UNRECOGNIZED", "error": "?"})
        self.listener.paths["/_matrix/app/v1/users/%40_bridge_carol%3Atest"] = unknown
        self.anonymous.get(f"/profile/{USER}")
        self.assertEqual(self.asked("users")[-1], "GET /users/%40_bridge_carol%3Atest?access_token=hs_secret")
