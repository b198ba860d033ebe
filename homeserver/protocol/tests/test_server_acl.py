import pytest

from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject
from homeserver.protocol.server_acl import acl_allows

ALL: JsonObject = {"allow": ["*"]}


@pytest.mark.parametrize(
    ("acl", "server_name", "allowed"),
    [
        ({}, "good.example", False),
        (ALL, "good.example", True),
        ({"allow": "*"}, "good.example", False),
        ({"allow": [1, None]}, "good.example", False),
        ({**ALL, "deny": "*"}, "good.example", True),
        ({**ALL, "deny": ["evil.example"]}, "evil.example", False),
        ({**ALL, "deny": ["evil.example"]}, "evil.example:8448", False),
        ({**ALL, "deny": ["evil.example"]}, "EVIL.example", False),
        ({**ALL, "deny": ["evil.example"]}, "not.evil.example", True),
        ({**ALL, "deny": ["*.evil.example"]}, "very.evil.example", False),
        ({**ALL, "deny": ["evi?.example"]}, "evil.example", False),
        ({"allow": ["good.example"]}, "good.example:443", True),
        ({"allow": ["good.example"]}, "other.example", False),
        (ALL, "127.0.0.1", True),
        ({**ALL, "allow_ip_literals": False}, "127.0.0.1", False),
        ({**ALL, "allow_ip_literals": False}, "127.0.0.1:80", False),
        ({**ALL, "allow_ip_literals": False}, "[::1]", False),
        ({**ALL, "allow_ip_literals": False}, "[::1]:80", False),
        ({**ALL, "allow_ip_literals": False}, "1.2.3.4.example", True),
        ({**ALL, "allow_ip_literals": "no"}, "127.0.0.1", True),
    ],
)
def test_who_is_let_in(acl: JsonObject, server_name: str, allowed: bool) -> None:
    assert acl_allows(acl, ServerName(server_name)) is allowed
