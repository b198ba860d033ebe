from federation.outgoing.tests.others import A, B
from federation.transport import Call, Transport
from homeserver.http.outbound import Response
from homeserver.protocol.errors import RemoteFailed
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject
from tests.wire import WireTestCase


class ToDeviceTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.sent: list[tuple[ServerName, JsonObject]] = []
        self.is_down = False
        self.patch(Transport, "send", self.take)
        self.alice = self.register("alice")

    async def take(self, destination: ServerName, call: Call) -> Response:
        if self.is_down:
            raise RemoteFailed("down")
        self.sent += [(destination, edu) for edu in (call.content or {})["edus"]]
        return Response(200, {}, b"{}")

    def send(self) -> None:
        messages = {f"@bob:{A}": {"X": {"n": 1}}, f"@eve:{A}": {"*": {"n": 2}}, f"@dan:{B}": {"Y": {"n": 3}}}
        answer = self.alice.put("/sendToDevice/m.secret/1", {"messages": messages})
        self.assertEqual(answer.status, 200)

    def test_each_server_gets_those_for_its_users(self) -> None:
        self.send()
        (to_a, a), (to_b, b) = self.sent
        self.assertEqual((to_a, to_b), (A, B))
        self.assertEqual(a["edu_type"], "m.direct_to_device")
        self.assertEqual((a["content"]["sender"], a["content"]["type"]), (self.alice.user_id, "m.secret"))
        self.assertEqual(
            a["content"]["messages"], {f"@bob:{A}": {"X": {"n": 1}}, f"@eve:{A}": {"*": {"n": 2}}}
        )
        self.assertEqual(b["content"]["messages"], {f"@dan:{B}": {"Y": {"n": 3}}})
        self.assertEqual(self.count("federation_waiting_edu"), 0)

    def test_none_is_lost(self) -> None:
        self.is_down = True
        self.send()
        self.restart()
        self.is_down = False
        self.advance(61)
        self.assertEqual([server for server, _ in self.sent], [A, B])
