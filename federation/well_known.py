"""The file by which a host names another one that speaks for it.

https://spec.matrix.org/v1.19/server-server-api/#getwell-knownmatrixserver
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import msgspec

from federation.server_names import HostAndPort
from homeserver.http.outbound import Bounds, RequestFailed, Response
from homeserver.protocol.errors import InvalidParam
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.shared_calls import SharedCalls
from homeserver.storage.cache import ByteBudgetCache

_BOUNDS = Bounds(seconds=20, body=50 * 1024, redirects=5)
_DEFAULT_SECONDS = 24 * 3600.0
_LONGEST_SECONDS = 48 * 3600.0
_SHORTEST_SECONDS = 300.0
_FIRST_ERROR_SECONDS = 60.0
_LONGEST_ERROR_SECONDS = 3600.0
_ENTRY_BYTES = 500

_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?(\d{1,9})\"?\s*(?:,|$)", re.IGNORECASE)
_NOT_CACHED = re.compile(r"(?:^|,)\s*no-(?:store|cache)\s*(?:,|$)", re.IGNORECASE)


class Gets(Protocol):
    """Who fetches the file: `homeserver.http.outbound`."""

    async def get_json(self, url: str, *, purpose: str, bounds: Bounds) -> Response:
        """Raises RequestFailed."""


class _File(msgspec.Struct):
    server: str = msgspec.field(name="m.server")


@dataclass(frozen=True, slots=True)
class _Known:
    """Of one host: whom it named, if anybody. Times are those of the clock, in seconds."""

    server: str | None
    until: float
    failures: int = 0
    valid_until: float = 0
    """Up to then `server` is used while the host fails to answer."""


class WellKnown:
    """Which server speaks for a host, remembered as long as the host allows and failures deserve."""

    def __init__(self, outbound: Gets, clock: Clock, randomness: Randomness, budget: int) -> None:
        """`budget` is in bytes."""
        self._outbound = outbound
        self._clock = clock
        self._randomness = randomness
        self._known: ByteBudgetCache[str, _Known] = ByteBudgetCache(budget)
        self._fetches: SharedCalls[str, str | None] = SharedCalls()

    async def delegate(self, host: str) -> str | None:
        """`<hostname>[:<port>]`; None where the host names nobody, or cannot be asked."""
        known = self._known.get(host)
        if known is not None and known.until > self._clock.seconds():
            return known.server
        return await self._fetches.run(host, lambda: self._fetch(host))

    async def _fetch(self, host: str) -> str | None:
        before = self._known.get(host)
        url = f"https://{host}/.well-known/matrix/server"
        try:
            response = await self._outbound.get_json(url, purpose="well-known", bounds=_BOUNDS)
            known = self._answered(response, before)
        except RequestFailed:
            known = self._failed(before, may_recover=True)
        self._known.put(host, known, _ENTRY_BYTES)
        return known.server

    def _answered(self, response: Response, before: _Known | None) -> _Known:
        if response.status != 200:
            return self._failed(before, may_recover=response.status >= 500)
        try:
            server = msgspec.json.decode(response.body, type=_File).server
            HostAndPort.of(server)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, InvalidParam):
            return self._failed(before, may_recover=False)
        now = self._clock.seconds()
        lifetime = _lifetime(response.headers, now)
        return _Known(server, now + lifetime, valid_until=now + _LONGEST_SECONDS)

    def _failed(self, before: _Known | None, *, may_recover: bool) -> _Known:
        now = self._clock.seconds()
        failures = 1 if before is None else before.failures + 1
        pause = min(_FIRST_ERROR_SECONDS * 2 ** min(failures - 1, 10), _LONGEST_ERROR_SECONDS)
        # So that not everything that failed together is tried again together.
        until = now + pause * (0.8 + 0.2 * self._randomness.fraction())
        if may_recover and before is not None and before.valid_until > now:
            return _Known(before.server, min(until, before.valid_until), failures, before.valid_until)
        return _Known(None, until, failures)


def _lifetime(headers: Mapping[str, str], now: float) -> float:
    """In seconds: https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1, within reason."""
    return min(max(_declared_lifetime(headers, now), _SHORTEST_SECONDS), _LONGEST_SECONDS)


def _declared_lifetime(headers: Mapping[str, str], now: float) -> float:
    control = headers.get("cache-control", "")
    if _NOT_CACHED.search(control):
        return 0
    max_age = _MAX_AGE.search(control)
    if max_age is not None:
        return float(max_age[1])
    expires: Any = headers.get("expires")
    if expires is None:
        return _DEFAULT_SECONDS
    try:
        return parsedate_to_datetime(expires).timestamp() - now
    except (ValueError, OverflowError):
        # A date that is none has passed, by the same section.
        return 0
