"""Servers as their operators have them, which federate over TLS on the loopback interface."""

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

from homeserver.http.tests.certificates import write_certificate
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


@contextmanager
def two_servers(certificates: Path, **settings: Any) -> Iterator[tuple[Server, Server]]:
    """Each believes the certificate of the other."""
    authorities = [str(certificates / "all.pem")]
    (certificates / "all.pem").touch()
    with ExitStack() as stack:
        pair = [Server(certificates, authorities, **settings) for _ in range(2)]
        files = [certificates / f"{server.tls_port}.crt" for server in pair]
        (certificates / "all.pem").write_bytes(b"".join(file.read_bytes() for file in files))
        a, b = (stack.enter_context(server) for server in pair)
        yield a, b
