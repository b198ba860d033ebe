"""A Folkmoot and a Synapse that federate over TLS on the loopback interface."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from itertools import count
from pathlib import Path
from ssl import create_default_context
from typing import Any

from scripts.loopback import free_port
from synapse_compat_tests.client import HttpClient, register
from synapse_compat_tests.federation.authority import Authority
from synapse_compat_tests.synapse import SynapseProcess
from tests.client import Json
from tests.processes import HomeserverProcess, ServerProcess

# Different ones, so that access lists of rooms can tell the servers apart.
FOLKMOOT_HOST, SYNAPSE_HOST = "127.0.0.1", "localhost"
_UNLIMITED_FEDERATION = {"concurrent": 100, "sleep_limit": 1_000_000, "reject_limit": 1_000_000}
_users = count()


@dataclass
class Federated:
    """One of the servers. Its name is where it listens for others."""

    process: HomeserverProcess
    host: str
    tls_port: int
    authority: Path
    anonymous: HttpClient = field(init=False)

    def __post_init__(self) -> None:
        self.anonymous = HttpClient(self.process.url)

    @property
    def name(self) -> str:
        return self.process.server_name

    def register(self, username: str) -> HttpClient:
        """A user whose name begins so: the servers are shared by all tests."""
        return register(self.anonymous, f"{username}{next(_users)}")

    def as_server(self, path: str) -> Json:
        """What it answers to another server that does not say who it is."""
        context = create_default_context(cafile=str(self.authority))
        connection = HTTPSConnection(self.host, self.tls_port, timeout=30, context=context)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200, answer.status
            return json.loads(answer.read())
        finally:
            connection.close()


@dataclass(frozen=True)
class Pair:
    folkmoot: Federated
    synapse: Federated


@contextmanager
def federating(directory: Path, **settings: Any) -> Iterator[Pair]:
    """Both servers, with further `settings`; `directory` is for certificates."""
    authority = Authority(directory)
    folkmoot = _federated(ServerProcess, FOLKMOOT_HOST, authority, settings)
    synapse = _federated(SynapseProcess, SYNAPSE_HOST, authority, settings)
    with folkmoot.process, synapse.process:
        yield Pair(folkmoot, synapse)


def _federated(
    kind: type[HomeserverProcess], host: str, authority: Authority, settings: dict[str, Any]
) -> Federated:
    tls_port = free_port()
    certificate, key = authority.certify(host)
    process = kind(
        {
            "server_name": f"{host}:{tls_port}",
            "tls_certificate_path": str(certificate),
            "tls_private_key_path": str(key),
            "federation_custom_ca_list": [str(authority.path)],
            "ip_range_blacklist": [],
            "rc_federation": _UNLIMITED_FEDERATION,
            "federation_rr_transactions_per_room_per_second": 1000,
            # How soon a server that could not be reached is tried again.
            "federation": {"destination_min_retry_interval": "1s", "destination_retry_multiplier": 2},
            **settings,
        }
    )
    _listen_for_servers(process, tls_port)
    return Federated(process, host, tls_port, authority.path)


def _listen_for_servers(process: HomeserverProcess, port: int) -> None:
    settings = json.loads(process.config.read_text())
    listener = {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "type": "http",
        "tls": True,
        "resources": [{"names": ["federation"]}],
    }
    settings["listeners"].append(listener)
    process.config.write_text(json.dumps(settings))
