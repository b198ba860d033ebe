"""How the server speaks to others."""

from dataclasses import dataclass
from ipaddress import ip_network

from config.kinds import Network
from config.option import option

# Addresses that are nobody's on the public Internet: https://www.iana.org/assignments/iana-ipv4-special-registry
# and iana-ipv6-special-registry, multicast, and what they replaced.
PRIVATE_RANGES: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "::1/128",
        "2001:db8::/32",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """Requests to other servers, push gateways and websites."""

    ip_range_blocklist: tuple[Network, ...] = option(
        PRIVATE_RANGES,
        "Addresses that are never spoken to.",
        key="ip_range_blacklist",
        aliases=("ip_range_blocklist",),
    )
    ip_range_allowlist: tuple[Network, ...] = option(
        (),
        "Exceptions from `ip_range_blacklist`.",
        key="ip_range_whitelist",
        aliases=("ip_range_allowlist",),
    )
    federation_ip_range_blocklist: tuple[Network, ...] | None = option(
        None,
        "Addresses that are never spoken to as Matrix servers, without exceptions.",
        key="federation_ip_range_blacklist",
        aliases=("federation_ip_range_blocklist",),
        default_text="`ip_range_blacklist` with its exceptions",
    )
    user_agent_suffix: str | None = option(None, "Added to the `User-Agent` header of requests.")
