import pytest

from config.federation import Federation
from federation.server_names import AllowedServers
from homeserver.protocol.errors import Forbidden
from homeserver.protocol.identifiers import ServerName


def is_allowed(config: Federation, name: str) -> bool:
    try:
        AllowedServers(config).check(ServerName(name))
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("a.example", True),
        ("A.Example", True),
        ("a.example:80", True),
        ("b.example", False),
        ("x.b.example", True),
    ],
)
def test_only_some(name: str, allowed: bool) -> None:
    assert is_allowed(Federation(domain_allowlist=("a.example", "*.b.example")), name) is allowed


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("a.example", True), ("evil.example", False), ("evil.example:80", False), ("not-evil.example", True)],
)
def test_all_but_some(name: str, allowed: bool) -> None:
    assert is_allowed(Federation(domain_blocklist=("evil.example", "*.evil.example")), name) is allowed


def test_both() -> None:
    config = Federation(domain_allowlist=("*.example",), domain_blocklist=("a.example",))
    assert not is_allowed(config, "a.example")
    assert is_allowed(config, "b.example")


def test_all_and_none() -> None:
    assert is_allowed(Federation(), "a.example")
    assert not is_allowed(Federation(domain_allowlist=()), "a.example")
