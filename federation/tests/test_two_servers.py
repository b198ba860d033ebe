"""Two servers, as their operators have them, talk to each other over TLS on the loopback interface."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from federation.tests.tls_servers import Server, two_servers
from homeserver.protocol.signing import verify_json
from homeserver.protocol.unpadded_base64 import decode_base64


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    with two_servers(tmp_path_factory.mktemp("certificates")) as pair:
        yield pair


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
