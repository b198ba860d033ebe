"""Finding out whether a service can be reached.

https://spec.matrix.org/v1.19/application-service-api/#pinging
"""

from appservices.calls import ServiceCalls, ServiceFailed, ServiceTookTooLong
from appservices.services import Services
from homeserver.http.requester import Requester
from homeserver.protocol.errors import (
    BadStatus,
    ConnectionFailed,
    ConnectionTimeout,
    Forbidden,
    UrlNotSet,
)
from homeserver.runtime.clock import Clock


class Pings:
    def __init__(self, services: Services, calls: ServiceCalls, clock: Clock) -> None:
        self._services = services
        self._calls = calls
        self._clock = clock

    async def ping(self, requester: Requester, service_id: str, transaction_id: str | None) -> int:
        """How long the service took to answer, in milliseconds.

        Raises Forbidden for others than the service itself, UrlNotSet, BadStatus, ConnectionTimeout, ConnectionFailed.
        """
        rights, service = requester.service, self._services.by_id(service_id)
        if rights is None or service is None or rights.id != service_id:
            raise Forbidden("Only the application service itself may have itself pinged")
        if service.registration.url is None:
            raise UrlNotSet("The application service has no URL")
        began = self._clock.seconds()
        try:
            response = await self._calls.ping(service, transaction_id)
        except ServiceTookTooLong as error:
            raise ConnectionTimeout(str(error)) from error
        except ServiceFailed as error:
            raise ConnectionFailed(str(error)) from error
        if not 200 <= response.status < 300:
            raise BadStatus(
                f"The application service answered with status {response.status}",
                status=response.status,
                body=response.body[:8192].decode("utf-8", "replace"),
            )
        return round(1000 * (self._clock.seconds() - began))
