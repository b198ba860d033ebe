"""SRV records: on which hosts and ports a service is offered.

https://www.rfc-editor.org/rfc/rfc2782
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from twisted.names import client, dns
from twisted.names.error import DNSNameError, DomainError, ResolverError

from homeserver.protocol.errors import RemoteFailed, RemoteUnreachable
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.shared_calls import SharedCalls
from homeserver.storage.cache import ByteBudgetCache

_TIMEOUTS = (1, 3, 5)  # seconds; a nameserver is asked once for each
_LONGEST_SECONDS = 24 * 3600.0
_SHORTEST_SECONDS = 60.0
_ABSENT_SECONDS = 300.0
_ENTRY_BYTES = 500

Place = tuple[str, int]


class ServiceRecord(NamedTuple):
    """`ttl` is in seconds."""

    priority: int
    weight: int
    host: str
    port: int
    ttl: int


class LookupFailed(Exception):
    """Nobody knows at the moment whether there are records."""


class Resolver(Protocol):
    """Asks the domain name system."""

    async def service(self, name: str) -> Sequence[ServiceRecord]:
        """Empty where there are none. Raises LookupFailed."""


class TwistedResolver:
    """The nameservers of /etc/resolv.conf, or others."""

    def __init__(self, reactor: Any, nameservers: Sequence[Place] = ()) -> None:
        self._reactor = reactor
        self._nameservers = list(nameservers)
        self._resolver: client.Resolver | None = None

    async def service(self, name: str) -> Sequence[ServiceRecord]:
        if self._resolver is None:
            # Not sooner, because it starts to watch the file.
            resolv = None if self._nameservers else "/etc/resolv.conf"
            self._resolver = client.Resolver(resolv, self._nameservers, reactor=self._reactor)
        try:
            answers, _, _ = await self._resolver.lookupService(name, timeout=_TIMEOUTS)
        except DNSNameError:
            return ()
        except (DomainError, ResolverError, OSError) as error:
            raise LookupFailed(f"{name}: {type(error).__name__}") from error
        return [_record(answer) for answer in answers if answer.type == dns.SRV]


def _record(answer: Any) -> ServiceRecord:
    found = answer.payload
    host = str(found.target).rstrip(".")
    return ServiceRecord(found.priority, found.weight, host, found.port, answer.ttl)


class ServiceRecords:
    """Where a service is offered, remembered for as long as the records allow."""

    def __init__(self, resolver: Resolver, clock: Clock, randomness: Randomness, budget: int) -> None:
        """`budget` is in bytes."""
        self._resolver = resolver
        self._clock = clock
        self._randomness = randomness
        self._known: ByteBudgetCache[str, tuple[Sequence[ServiceRecord], float]] = ByteBudgetCache(budget)
        self._lookups: SharedCalls[str, Sequence[ServiceRecord]] = SharedCalls()

    async def places(self, name: str) -> tuple[Place, ...]:
        """Hosts with ports, in the order in which to try them; empty where there is no record.

        Raises RemoteFailed where the service is not offered at all, or nobody knows.
        """
        known = self._known.get(name)
        if known is None or known[1] <= self._clock.seconds():
            records = await self._lookups.run(name, lambda: self._look_up(name))
        else:
            records = known[0]
        if [record.host for record in records] == [""]:
            raise RemoteFailed(f"{name} says that there is no such service")
        return tuple((record.host, record.port) for record in self._shuffled(records))

    async def _look_up(self, name: str) -> Sequence[ServiceRecord]:
        try:
            records = await self._resolver.service(name)
        except LookupFailed as error:
            stale = self._known.get(name)
            if stale is None:
                raise RemoteUnreachable(f"Cannot look up {error}") from error
            return stale[0]
        ttl = min((float(record.ttl) for record in records), default=_ABSENT_SECONDS)
        until = self._clock.seconds() + min(max(ttl, _SHORTEST_SECONDS), _LONGEST_SECONDS)
        self._known.put(name, (records, until), _ENTRY_BYTES * (1 + len(records)))
        return records

    def _shuffled(self, records: Sequence[ServiceRecord]) -> Sequence[ServiceRecord]:
        """By priority; within one, at random, by weight."""

        # The first of independent exponential times comes with a chance in proportion to its rate. A weight of 0
        # has a small chance, too.
        def arrival(record: ServiceRecord) -> tuple[int, float]:
            chance = 1 - self._randomness.fraction()
            return record.priority, -(chance ** (1 / max(record.weight, 0.01)))

        return sorted(records, key=arrival)
