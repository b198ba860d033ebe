"""Networks that services bridge."""

from collections.abc import Mapping
from typing import Any, ClassVar

from appservices.tests.serving import ListeningTestCase
from homeserver.http.outbound import RequestFailed
from tests.wire import each

PROTOCOL: Mapping[str, Any] = {
    "user_fields": ["nickname"],
    "location_fields": ["channel"],
    "icon": "mxc://test/icon",
    "field_types": {
        "nickname": {"regexp": ".*", "placeholder": "name"},
        "channel": {"regexp": "#.*", "placeholder": "#room"},
    },
    "instances": [{"desc": "Libera", "network_id": "libera", "fields": {"network": "libera"}}],
}
_V1 = "/_matrix/app/v1/thirdparty"


class NetworksTestCase(ListeningTestCase):
    registration: ClassVar[Mapping[str, Any]] = {
        "url": "http://bridge.example",
        "protocols": ["irc", "gopher"],
    }

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")
        self.listener.paths[f"{_V1}/protocol/irc"] = (200, PROTOCOL)


class ProtocolTests(NetworksTestCase):
    def test_what_services_say(self) -> None:
        libera = {**PROTOCOL["instances"][0], "instance_id": "bridge|libera"}
        expected = {**PROTOCOL, "instances": [libera]}
        self.assertEqual(self.alice.get("/thirdparty/protocols").json, {"irc": expected})
        self.assertEqual(self.alice.get("/thirdparty/protocol/irc").json, expected)
        self.assertEqual(self.alice.get("/thirdparty/protocol/gopher").error, (404, "M_NOT_FOUND"))

    def test_it_is_remembered(self) -> None:
        def asked() -> int:
            self.alice.get("/thirdparty/protocol/irc")
            return sum(one.endswith("/irc") for one in self.listener.asked)

        self.assertEqual([asked(), asked()], [1, 1])
        self.advance(3601)
        self.assertEqual(asked(), 2)

    def test_several_services(self) -> None:
        other = self.file.with_name("other.yaml")
        self.add_service(other, id="other", as_token="other_as", sender_localpart="other")
        expected = ["bridge|libera", "other|libera"]
        instances = self.alice.get("/thirdparty/protocol/irc")["instances"]
        self.assertEqual([one["instance_id"] for one in instances], expected)

    def test_garbage(self) -> None:
        def check(answer: Any) -> None:
            self.listener.paths[f"{_V1}/protocol/irc"] = answer
            self.advance(3601)
            self.assertEqual(self.alice.get("/thirdparty/protocols").json, {})

        each(
            check,
            [(500, {}), (200, []), (200, {}), (200, {"instances": 1}), (200, {"instances": [1]}), (302, {})],
        )
        self.listener.failure = RequestFailed("nobody there")
        self.advance(3601)
        self.assertEqual(self.alice.get("/thirdparty/protocols").json, {})


class LookupTests(NetworksTestCase):
    location: ClassVar[Mapping[str, Any]] = {
        "alias": "#_bridge_tea:test",
        "protocol": "irc",
        "fields": {"channel": "#tea"},
    }
    user: ClassVar[Mapping[str, Any]] = {
        "userid": "@_bridge_carol:test",
        "protocol": "irc",
        "fields": {"nickname": "carol"},
    }

    def test_locations(self) -> None:
        self.listener.paths[f"{_V1}/location/irc?channel=%23tea"] = (200, [self.location, {"alias": 1}, 2])
        answer = self.alice.get("/thirdparty/location/irc", channel="#tea")
        self.assertEqual(answer.json, [self.location])

    def test_users(self) -> None:
        self.listener.paths[f"{_V1}/user/irc?nickname=carol"] = (200, [self.user])
        self.assertEqual(self.alice.get("/thirdparty/user/irc", nickname="carol").json, [self.user])

    def test_who_asks_is_not_told(self) -> None:
        path = f"{_V1}/user/irc?user_id=carol"
        self.listener.paths[path] = (200, [self.user])
        answer = self.anonymous.request(
            "GET",
            "/thirdparty/user/irc",
            query={"user_id": "carol", "access_token": self.alice.access_token},
        )
        self.assertEqual(answer.json, [self.user])
        self.ghost("dora").get("/thirdparty/user/irc")
        self.assertEqual(self.listener.asked[-1], f"GET {_V1}/user/irc")

    def test_from_matrix(self) -> None:
        self.listener.paths[f"{_V1}/location?alias=%23_bridge_tea%3Atest"] = (200, [self.location])
        self.listener.paths[f"{_V1}/user?userid=%40_bridge_carol%3Atest"] = (200, [self.user])
        answer = self.alice.get("/thirdparty/location", alias="#_bridge_tea:test")
        self.assertEqual(answer.json, [self.location])
        answer = self.alice.get("/thirdparty/user", userid="@_bridge_carol:test")
        self.assertEqual(answer.json, [self.user])

    def test_services_that_fail(self) -> None:
        self.alice.get("/thirdparty/protocols")
        self.listener.failure = RequestFailed("nobody there")
        self.assertEqual(self.alice.get("/thirdparty/user/irc", nickname="carol").json, [])
        answer = self.alice.get("/thirdparty/user", userid="@_bridge_carol:test")
        self.assertEqual(answer.error, (404, "M_NOT_FOUND"))

    def test_networks_that_nobody_bridges(self) -> None:
        self.assertEqual(self.alice.get("/thirdparty/user/fax").error, (404, "M_NOT_FOUND"))


class ListTests(NetworksTestCase):
    """https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3publicrooms"""

    def setUp(self) -> None:
        super().setUp()
        self.room_id = self.alice.create_room(preset="public_chat", name="Tea")
        self.path = f"/directory/list/appservice/libera/{self.room_id}"

    def listed(self, **wish: Any) -> list[str]:
        return [room["room_id"] for room in self.alice.post("/publicRooms", wish)["chunk"]]

    def test_on_and_off(self) -> None:
        for method, body, expected in (
            ("PUT", {"visibility": "public"}, [self.room_id]),
            ("PUT", {"visibility": "private"}, []),
            ("PUT", {"visibility": "public"}, [self.room_id]),
            ("DELETE", None, []),
        ):
            self.assertEqual(self.bot.request(method, self.path, body).json, {})
            self.assertEqual(self.listed(third_party_instance_id="bridge|libera"), expected)
            self.assertEqual(self.listed(third_party_instance_id="bridge|oftc"), [])
            self.assertEqual(self.listed(), [])

    def test_all_lists_together(self) -> None:
        self.bot.put(self.path, {"visibility": "public"})
        self.alice.put(f"/directory/list/room/{self.room_id}", {})
        other = self.alice.create_room(preset="public_chat", visibility="public")
        self.assertCountEqual(self.listed(include_all_networks=True), [self.room_id, other])
        self.assertEqual(self.listed(include_all_networks=True, limit=1), [other])
        self.assertEqual(self.listed(third_party_instance_id="bridge|libera"), [self.room_id])
        answer = self.alice.post(
            "/publicRooms", {"include_all_networks": True, "third_party_instance_id": "bridge|libera"}
        )
        self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

    def test_the_main_list_is_counted_alone(self) -> None:
        self.bot.put(self.path, {"visibility": "public"})
        bob = self.register("bob")
        bob.join(self.room_id)
        for user in (bob, self.alice):
            user.leave(self.room_id)
        self.assertEqual(self.alice.post("/publicRooms", {})["total_room_count_estimate"], 0)
        self.assertEqual(self.alice.get(f"/directory/list/room/{self.room_id}")["visibility"], "private")

    def test_services_alone_keep_lists(self) -> None:
        self.assertEqual(self.alice.put(self.path, {"visibility": "public"}).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.alice.delete(self.path).error, (403, "M_FORBIDDEN"))
        answer = self.bot.put("/directory/list/appservice/libera/!none:test", {"visibility": "public"})
        self.assertEqual(answer.error, (404, "M_NOT_FOUND"))
        answer = self.bot.put(self.path.replace("libera", "x" * 300), {"visibility": "public"})
        self.assertEqual(answer.error, (400, "M_INVALID_PARAM"))

    def test_lists_end_with_the_service(self) -> None:
        self.bot.put(self.path, {"visibility": "public"})
        self.change_registration({"id": "another"})
        self.assertEqual(self.count("room_published"), 0)
