"""Which addresses may be spoken to, decided when a connection is made, after names were resolved.

Deciding then, and not by what a name resolved to before, leaves no gap for names that change their address.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from twisted.internet.interfaces import IReactorPluggableNameResolver, IReactorTCP, IReactorTime
from zope.interface import implementer

from config.kinds import Network
from homeserver.runtime.clock import DelayedCall

# Networks with translators reach IPv4 by the last 32 bits: https://www.rfc-editor.org/rfc/rfc6052#section-2.1
_TRANSLATED = IPv6Network("64:ff9b::/96")


class AddressForbidden(Exception):
    """The operator does not let the server speak to this address."""


class AddressRules:
    """Addresses in `blocked` are forbidden unless they are in `allowed`, too."""

    def __init__(self, blocked: Sequence[Network], allowed: Sequence[Network] = ()) -> None:
        self._blocked = tuple(blocked)
        self._allowed = tuple(allowed)

    def check(self, address: str) -> None:
        """Raises AddressForbidden. An IPv4 address is found in each of its forms."""
        for form in _forms(ip_address(address.partition("%")[0])):
            if _within(form, self._blocked) and not _within(form, self._allowed):
                raise AddressForbidden(f"{address} is an address that this server does not speak to")


def _within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _forms(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    if isinstance(address, IPv4Address):
        return [address]
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _TRANSLATED:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    # Of a mapped address the IPv4 form alone counts: an operator who allows it means it.
    return [address] if inner is None else [inner]


@implementer(IReactorTCP, IReactorTime, IReactorPluggableNameResolver)
class GuardedReactor:
    """The reactor as endpoints see it, which makes no connection against the rules."""

    def __init__(self, reactor: Any, rules: AddressRules) -> None:
        """`reactor` knows time, TCP and names."""
        self._reactor = reactor
        self._rules = rules

    @property
    def nameResolver(self) -> Any:
        return self._reactor.nameResolver

    def connectTCP(self, host: str, port: int, *arguments: Any, **options: Any) -> Any:
        """`host` is an address, as endpoints resolve names themselves. Raises AddressForbidden."""
        self._rules.check(host)
        return self._reactor.connectTCP(host, port, *arguments, **options)

    def seconds(self) -> float:
        now: float = self._reactor.seconds()
        return now

    def callLater(self, delay: float, call: Any, *arguments: object, **options: object) -> DelayedCall:
        timer: DelayedCall = self._reactor.callLater(delay, call, *arguments, **options)
        return timer
