from ipaddress import ip_network

import pytest
from twisted.internet.protocol import ClientFactory
from twisted.internet.testing import MemoryReactorClock

from config.outbound import PRIVATE_RANGES
from homeserver.http.outbound_addresses import AddressForbidden, AddressRules, GuardedReactor

RULES = AddressRules(PRIVATE_RANGES)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        # IPv4 in the disguises of IPv6: mapped, 6to4, translated.
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::127.0.0.1",
    ],
)
def test_private_addresses_are_forbidden(address: str) -> None:
    with pytest.raises(AddressForbidden):
        RULES.check(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_others_are_not(address: str) -> None:
    RULES.check(address)


def test_exceptions() -> None:
    rules = AddressRules(PRIVATE_RANGES, (ip_network("10.1.0.0/16"),))
    rules.check("10.1.2.3")
    rules.check("::ffff:10.1.2.3")
    with pytest.raises(AddressForbidden):
        rules.check("10.2.0.1")


def test_the_reactor_makes_no_forbidden_connection() -> None:
    reactor = MemoryReactorClock()
    guarded = GuardedReactor(reactor, RULES)
    with pytest.raises(AddressForbidden):
        guarded.connectTCP("127.0.0.1", 80, ClientFactory())
    assert reactor.tcpClients == []
    guarded.connectTCP("8.8.8.8", 80, ClientFactory())
    assert [client[:2] for client in reactor.tcpClients] == [("8.8.8.8", 80)]
