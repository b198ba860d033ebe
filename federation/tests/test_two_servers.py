"""Two servers, as their operators have them, talk to each other over TLS on the loopback interface."""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from homeserver.http.tests.certificates import write_certificate
from homeserver.protocol.signing import verify_json
from homeserver.protocol.unpadded_base64 import decode_base64
from scripts.loopback import free_port
from tests.processes import ServerProcess

HOST = "127.0.0.1"
PASSWORD = "correct horse"


class Server(ServerProcess):
    """Its name is where it listens for others. `directory` of certificates is shared by those who trust each other."""

    def __init__(self, certificates: Path, authorities: list[str], **more: Any) -> None:
        self.tls_port = free_port()
        files = write_certificate(certificates, HOST, serial=self.tls_port, stem=str(self.tls_port))
        super().__init__(
            {
                "server_name": f"{HOST}:{self.tls_port}",
                "tls_certificate_path": str(files.certificate_path),
                "tls_private_key_path": str(files.private_key_path),
                "federation_custom_ca_list": authorities,
                "ip_range_whitelist": [f"{HOST}/32"],
                "enable_registration": True,
                "enable_registration_without_verification": True,
                **more,
            }
        )
        settings = json.loads(self.config.read_text())
        settings["listeners"].append(
            {
                "port": self.tls_port,
                "bind_addresses": [HOST],
                "type": "http",
                "tls": True,
                "resources": [{"names": ["federation"]}],
            }
        )
        self.config.write_text(json.dumps(settings))
        self._context = ssl.create_default_context(cafile=str(files.certificate_path))

    def as_client(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return _exchange(HTTPConnection(HOST, self.port, timeout=60), method, path, body)

    def as_server(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Over TLS, as other servers ask, but without a signature."""
        connection = HTTPSConnection(HOST, self.tls_port, timeout=60, context=self._context)
        return _exchange(connection, method, path, body)

    def register(self, username: str) -> str:
        body = {"username": username, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        status, answer = self.as_client("POST", "/_matrix/client/v3/register", body)
        assert status == 200, answer
        return str(answer["user_id"])


def _exchange(connection: HTTPConnection, method: str, path: str, body: object) -> tuple[int, Any]:
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    certificates = tmp_path_factory.mktemp("certificates")
    authorities = [str(certificates / "all.pem")]
    (certificates / "all.pem").touch()
    with ExitStack() as stack:
        pair = [Server(certificates, authorities) for _ in range(2)]
        files = [certificates / f"{server.tls_port}.crt" for server in pair]
        (certificates / "all.pem").write_bytes(b"".join(file.read_bytes() for file in files))
        a, b = (stack.enter_context(server) for server in pair)
        yield a, b


Servers = tuple[Server, Server]


def test_version(servers: Servers) -> None:
    for server in servers:
        status, answer = server.as_server("GET", "/_matrix/federation/v1/version")
        assert (status, answer["server"]["name"]) == (200, "Folkmoot")


def check_signed(answer: Mapping[str, Any], signer: Server) -> None:
    _, keys = signer.as_server("GET", "/_matrix/key/v2/server")
    ((key_id, key),) = keys["verify_keys"].items()
    verify_json(dict(answer), signer.server_name, key_id, decode_base64(key["key"]))


def test_each_tells_of_the_keys_of_the_other(servers: Servers) -> None:
    for notary, other in (servers, servers[::-1]):
        status, answer = notary.as_server("GET", f"/_matrix/key/v2/query/{other.server_name}")
        assert status == 200
        (keys,) = answer["server_keys"]
        assert keys["server_name"] == other.server_name
        check_signed(keys, other)
        check_signed(keys, notary)


def test_each_shows_profiles_of_the_other(servers: Servers) -> None:
    """The request is signed, and the other server asks for the key to check it."""
    for here, there in (servers, servers[::-1]):
        user_id = there.register("alice")
        path = f"/_matrix/client/v3/profile/{user_id}"
        assert here.as_client("GET", path) == (200, {"displayname": "alice"})
        status, answer = here.as_client("GET", path.replace("alice", "nobody"))
        assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")


def test_what_is_not_signed_is_refused(servers: Servers) -> None:
    for server in servers:
        path = "/_matrix/federation/v1/query/profile?user_id=x"
        status, answer = server.as_server("GET", path)
        assert (status, answer["errcode"]) == (401, "M_UNAUTHORIZED")


def test_a_server_without_a_proper_certificate(servers: Servers, tmp_path: Path) -> None:
    """Nobody vouches for it, so that it is not spoken to, and cannot prove who it is."""
    here, _ = servers
    with Server(tmp_path, []) as impostor:
        _, answer = here.as_server("GET", f"/_matrix/key/v2/query/{impostor.server_name}")
        assert answer == {"server_keys": []}
        status, answer = here.as_client("GET", f"/_matrix/client/v3/profile/@x:{impostor.server_name}")
        assert (status, answer["errcode"]) == (502, "M_UNKNOWN")
