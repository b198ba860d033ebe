"""The networks that services bridge, as all of them together know them.

https://spec.matrix.org/v1.19/application-service-api/#third-party-networks
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, gatherResults

from appservices.calls import ServiceCalls, ServiceFailed
from appservices.registration import AppService, network_name
from appservices.services import Services
from homeserver.protocol.identifiers import RoomAlias, UserID
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.runtime.clock import Clock
from homeserver.runtime.shared_calls import SharedCalls

log = logging.getLogger(__name__)

# What a service said of a protocol is taken for true for as long, and that it said nothing.
_REMEMBERED_SECONDS, _FAILED_SECONDS = 3600, 60


class _Protocol(msgspec.Struct):
    instances: list[dict[str, Any]]


class _Location(msgspec.Struct):
    alias: str
    protocol: str
    fields: dict[str, Any]


class _User(msgspec.Struct):
    userid: str
    protocol: str
    fields: dict[str, Any]


_RESULTS: Mapping[str, type[msgspec.Struct]] = {"location": _Location, "user": _User}


class ServiceNetworks:
    """Implements `homeserver.discovery.third_party.Networks`. A service that fails has nothing to say."""

    def __init__(self, services: Services, calls: ServiceCalls, clock: Clock) -> None:
        self._services = services
        self._calls = calls
        self._clock = clock
        self._asking: SharedCalls[tuple[str, str], JsonObject | None] = SharedCalls()
        # By service and protocol, with the time from which on it is asked again.
        self._remembered: dict[tuple[str, str], tuple[JsonObject | None, float]] = {}

    async def protocols(self) -> Mapping[str, JsonObject]:
        """See `Networks`."""
        return await self._merged({name for service in self._bridging() for name in service.protocols})

    async def protocol(self, name: str) -> JsonObject | None:
        """See `Networks`."""
        return (await self._merged({name})).get(name)

    async def locations(self, protocol: str, fields: Mapping[str, str]) -> Sequence[JsonObject]:
        """See `Networks`."""
        return await self._found("location", protocol, fields)

    async def users(self, protocol: str, fields: Mapping[str, str]) -> Sequence[JsonObject]:
        """See `Networks`."""
        return await self._found("user", protocol, fields)

    async def locations_of_alias(self, alias: RoomAlias) -> Sequence[JsonObject]:
        """See `Networks`."""
        return await self._found("location", None, {"alias": alias})

    async def users_of(self, user_id: UserID) -> Sequence[JsonObject]:
        """See `Networks`."""
        return await self._found("user", None, {"userid": user_id})

    def _bridging(self, protocol: str | None = None) -> list[AppService]:
        """The services that can be asked about a protocol, or about any."""
        return [
            service
            for service in self._services.all
            if service.registration.url is not None
            and (protocol in service.protocols if protocol is not None else service.protocols)
        ]

    async def _merged(self, names: Iterable[str]) -> dict[str, JsonObject]:
        """What services say of protocols; their instances are told together, the rest as the first one has it."""
        pairs = [(service, name) for name in sorted(names) for service in self._bridging(name)]
        said = await gatherResults([Deferred.fromCoroutine(self._protocol(*pair)) for pair in pairs])
        merged: dict[str, JsonObject] = {}
        for (_, name), protocol in zip(pairs, said, strict=True):
            if protocol is not None:
                first = merged.setdefault(name, {**protocol, "instances": []})
                first["instances"].extend(protocol["instances"])
        return merged

    async def _protocol(self, service: AppService, name: str) -> JsonObject | None:
        key = service.id, name
        protocol, until = self._remembered.get(key, (None, 0.0))
        if self._clock.seconds() >= until:
            protocol = await self._asking.run(key, lambda: self._ask_protocol(service, name))
        return protocol

    async def _ask_protocol(self, service: AppService, name: str) -> JsonObject | None:
        said = await self._ask(service, "protocol", name, {})
        protocol = said if _is(said, _Protocol) else None
        for instance in () if protocol is None else protocol["instances"]:
            if isinstance(instance.get("network_id"), str):
                instance["instance_id"] = network_name(service.id, instance["network_id"])
        kept = _FAILED_SECONDS if protocol is None else _REMEMBERED_SECONDS
        self._remembered[service.id, name] = (protocol, self._clock.seconds() + kept)
        return protocol

    async def _found(
        self, kind: str, protocol: str | None, fields: Mapping[str, str]
    ) -> Sequence[JsonObject]:
        """What is well-formed in the answers of all services."""
        said = await gatherResults(
            [
                Deferred.fromCoroutine(self._ask(service, kind, protocol, fields))
                for service in self._bridging(protocol)
            ]
        )
        lists = (answer for answer in said if isinstance(answer, list))
        return [result for results in lists for result in results if _is(result, _RESULTS[kind])]

    async def _ask(
        self, service: AppService, kind: str, name: str | None, fields: Mapping[str, str]
    ) -> JsonValue:
        try:
            return await self._calls.third_party(service, kind, name, fields)
        except ServiceFailed as error:
            log.warning("%s could not be asked about networks: %s", service.id, error)
            return None


def _is(value: JsonValue, kind: type[msgspec.Struct]) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True
