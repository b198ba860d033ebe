"""Requests to application services.

https://spec.matrix.org/v1.19/application-service-api/#homeserver-application-service-api
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from appservices.registration import AppService
from homeserver.http.outbound import Bounds, Outbound, RequestFailed, Response, TookTooLong
from homeserver.protocol.json import JsonObject, JsonValue, encode_json

_V1 = "/_matrix/app/v1"
_BOUNDS = Bounds(seconds=60, body=1024 * 1024)
# Somebody waits for what all services say together.
_BOUNDS_OF_LOOKUPS = Bounds(seconds=10, body=1024 * 1024)


class ServiceFailed(Exception):
    """A service gave no answer that could be used; the text says why, in words for a log."""


class ServiceTookTooLong(ServiceFailed):
    """There was no answer in time."""


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    path: str
    legacy_path: str | None
    query: Mapping[str, str]
    body: bytes | None
    bounds: Bounds = _BOUNDS


class ServiceCalls:
    """Each raises ServiceFailed, also for a service without URL."""

    def __init__(self, outbound: Outbound, *, legacy_authorization: bool) -> None:
        """`outbound` speaks to any address, as operators wrote the URLs."""
        self._outbound = outbound
        self._legacy_authorization = legacy_authorization

    async def send_transaction(self, service: AppService, transaction_id: int, body: JsonObject) -> None:
        """Returns once the service has acknowledged it."""
        asked = _Asked(
            "PUT",
            f"{_V1}/transactions/{transaction_id}",
            f"/transactions/{transaction_id}",
            {},
            encode_json(body),
        )
        _successful(service, await self._ask(service, asked))

    async def has_user(self, service: AppService, user_id: str) -> bool:
        """Whether the service has just made the user, as it was asked about it."""
        return await self._exists(service, "users", user_id)

    async def has_alias(self, service: AppService, alias: str) -> bool:
        """Whether the service has just made a room with the alias, as it was asked about it."""
        return await self._exists(service, "rooms", alias)

    async def ping(self, service: AppService, transaction_id: str | None) -> Response:
        """Any answer there is. https://spec.matrix.org/v1.19/application-service-api/#pinging"""
        body: JsonObject = {} if transaction_id is None else {"transaction_id": transaction_id}
        return await self._ask(service, _Asked("POST", f"{_V1}/ping", None, {}, encode_json(body)))

    async def third_party(
        self, service: AppService, kind: str, name: str | None, query: Mapping[str, str]
    ) -> JsonValue:
        """What it knows of a protocol, or of places or people there; None where it knows nothing.

        `kind` is protocol, location or user.
        """
        tail = f"thirdparty/{kind}" + ("" if name is None else f"/{quote(name, safe='')}")
        unstable = f"/_matrix/app/unstable/{tail}"
        asked = _Asked("GET", f"{_V1}/{tail}", unstable, query, None, _BOUNDS_OF_LOOKUPS)
        response = await self._ask(service, asked)
        if response.status == 404:
            return None
        return _json(service, _successful(service, response))

    async def _exists(self, service: AppService, kind: str, name: str) -> bool:
        quoted = quote(name, safe="")
        asked = _Asked("GET", f"{_V1}/{kind}/{quoted}", f"/{kind}/{quoted}", {}, None)
        response = await self._ask(service, asked)
        if response.status == 404:
            return False
        _successful(service, response)
        return True

    async def _ask(self, service: AppService, asked: _Asked) -> Response:
        """On the path from before 2018 where the service does not know the other."""
        response = await self._once(service, asked.path, asked)
        if asked.legacy_path is not None and _is_unknown_path(response):
            return await self._once(service, asked.legacy_path, asked, is_legacy=True)
        return response

    async def _once(
        self, service: AppService, path: str, asked: _Asked, *, is_legacy: bool = False
    ) -> Response:
        base = service.registration.url
        if base is None:
            raise ServiceFailed(f"{service.id} has no URL")
        token = service.registration.hs_token
        query = dict(asked.query)
        if is_legacy or self._legacy_authorization:
            query["access_token"] = token
        url = base.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {token}"}
        if asked.body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return await self._outbound.request(
                asked.method,
                url,
                purpose="appservice",
                headers=headers,
                body=asked.body,
                bounds=asked.bounds,
                is_brief=True,
            )
        except TookTooLong as error:
            raise ServiceTookTooLong(f"{service.id}: {error}") from error
        except RequestFailed as error:
            raise ServiceFailed(f"{service.id}: {error}") from error


def _is_unknown_path(response: Response) -> bool:
    """https://spec.matrix.org/v1.19/application-service-api/#unknown-routes"""
    if response.status not in (404, 405):
        return False
    try:
        answer: Any = response.json()
    except RequestFailed:
        # It is not an answer of Matrix at all.
        return True
    errcode = answer.get("errcode") if isinstance(answer, dict) else None
    return errcode == "M_UNRECOGNIZED" or not isinstance(errcode, str)


def _successful(service: AppService, response: Response) -> Response:
    if response.status != 200:
        raise ServiceFailed(f"{service.id} answered with status {response.status}")
    return response


def _json(service: AppService, response: Response) -> JsonValue:
    try:
        return response.json()
    except RequestFailed as error:
        raise ServiceFailed(f"{service.id}: {error}") from error
