"""What identity servers publish of users, from the client's request to their unbinding."""

from unittest.mock import patch

from homeserver.accounts.address import Address
from homeserver.accounts.identity_servers import IdentityServers
from homeserver.protocol.identifiers import UserID
from tests.client import Json
from tests.wire import PASSWORD, WireTestCase

_ADDRESS = {"medium": "email", "address": "alice@example.org"}


class BindingTests(WireTestCase):
    def setUp(self) -> None:
        self.bound: list[tuple[str, str]] = []
        self.unbinds = True

        async def bind(_: object, server: str, token: str, user_id: UserID, sid: str, secret: str) -> Address:
            self.bound.append((server, user_id))
            return Address(**_ADDRESS)

        async def unbind(_: object, server: str, user_id: UserID, address: Address) -> bool:
            if self.unbinds:
                self.bound.remove((server, user_id))
            return self.unbinds

        for name, played in (("bind", bind), ("unbind", unbind)):
            replaced = patch.object(IdentityServers, name, played)
            replaced.start()
            self.addCleanup(replaced.stop)
        super().setUp()
        self.alice = self.register("alice")

    def bind(self, server: str = "id.test") -> Json:
        return {"sid": "1", "client_secret": "s", "id_server": server, "id_access_token": "t"}

    def test_binding_and_unbinding(self) -> None:
        self.assertEqual(self.alice.post("/account/3pid/bind", self.bind()).status, 200)
        self.assertEqual(self.bound, [("id.test", self.alice.user_id)])
        # It is not among the addresses of the account.
        self.assertEqual(self.alice.get("/account/3pid").json, {"threepids": []})
        answer = self.alice.post("/account/3pid/unbind", _ADDRESS)
        self.assertEqual(answer.json, {"id_server_unbind_result": "success"})
        self.assertEqual((self.bound, self.count("account_address_binding")), ([], 0))

    def test_the_old_way(self) -> None:
        answer = self.alice.post("/account/3pid", {"three_pid_creds": self.bind()})
        self.assertEqual((answer.status, answer.json), (200, {}))
        self.assertEqual(self.bound, [("id.test", self.alice.user_id)])

    def test_deleting_unbinds_too(self) -> None:
        for server in ("id.test", "other.test"):
            self.alice.post("/account/3pid/bind", self.bind(server))
        answer = self.alice.post("/account/3pid/delete", {**_ADDRESS, "id_server": "other.test"})
        self.assertEqual(answer.json, {"id_server_unbind_result": "success"})
        self.assertEqual(self.bound, [("id.test", self.alice.user_id)])
        self.alice.post("/account/3pid/delete", _ADDRESS)
        self.assertEqual(self.bound, [])

    def test_servers_that_do_not(self) -> None:
        self.alice.post("/account/3pid/bind", self.bind())
        self.unbinds = False
        answer = self.alice.post("/account/3pid/unbind", _ADDRESS)
        self.assertEqual(answer.json, {"id_server_unbind_result": "no-support"})
        # It can be tried again.
        self.assertEqual(self.count("account_address_binding"), 1)

    def test_they_end_with_the_account(self) -> None:
        identifier = {"type": "m.id.user", "user": self.alice.user_id}
        auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        self.alice.post("/account/3pid/bind", self.bind())
        answer = self.alice.post("/account/deactivate", {"auth": auth})
        self.assertEqual(answer.json, {"id_server_unbind_result": "success"})
        self.assertEqual((self.bound, self.count("account_address_binding")), ([], 0))
