"""Asking for keys: the servers themselves, and notaries for those that do not answer.

https://spec.matrix.org/v1.19/server-server-api/#retrieving-server-keys
"""

import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

from config.federation import KeyServer
from federation.key_answers import KeyAnswer, KeyAnswerInvalid, read_key_answer
from federation.transport import Call, Transport
from homeserver.http.outbound import Bounds, RequestFailed
from homeserver.protocol.errors import MatrixError
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonValue
from homeserver.protocol.signing import SignatureInvalid, verify_json
from homeserver.runtime.clock import Clock
from homeserver.runtime.shared_calls import SharedCalls

log = logging.getLogger(__name__)

Asked: TypeAlias = KeyAnswer | None

_DIRECT_BOUNDS = Bounds(seconds=15, body=64 * 1024)
_NOTARY_BOUNDS = Bounds(seconds=30, body=16 * 1024 * 1024)
_AT_ONCE = 50
# With so many servers some are gone for good, and a notary knows most of the others from one request.
_CROWD = 10


class KeyFetcher:
    """Fetches what servers publish. Nothing is remembered here."""

    def __init__(self, transport: Transport, notaries: Sequence[KeyServer], clock: Clock) -> None:
        self._transport = transport
        self._notaries = notaries
        self._clock = clock
        self._turns = DeferredSemaphore(_AT_ONCE)
        self._under_way: SharedCalls[ServerName, Asked] = SharedCalls()

    async def fetch(self, servers: Collection[ServerName]) -> list[KeyAnswer]:
        """The answers of those servers of which there is one; failures are logged.

        A server that failed lately is not asked itself.
        """
        if len(servers) >= _CROWD:
            found = await self._from_notaries(servers)
            return found + await self.fetch_directly(_without(servers, found))
        found = await self.fetch_directly(servers)
        return found + await self._from_notaries(_without(servers, found))

    async def fetch_from_sender(self, server: ServerName) -> list[KeyAnswer]:
        """The same for one who has just sent something: that is a sign of life, whatever failed before."""
        found = await self.fetch_directly([server], only_if_alive=False)
        return found or await self._from_notaries([server])

    async def fetch_directly(
        self, servers: Collection[ServerName], *, only_if_alive: bool = True
    ) -> list[KeyAnswer]:
        """From the servers themselves; each is asked once although many may want to know."""
        answers = await gatherResults(
            [self._under_way.run(name, self._asking(name, only_if_alive)) for name in servers]
        )
        return [answer for answer in answers if answer is not None]

    def _asking(self, name: ServerName, only_if_alive: bool) -> Callable[[], Coroutine[Any, Any, Asked]]:
        return lambda: self._direct(name, only_if_alive)

    async def _direct(self, name: ServerName, only_if_alive: bool) -> Asked:
        call = Call(
            method="GET",
            path="/_matrix/key/v2/server",
            bounds=_DIRECT_BOUNDS,
            signed=False,
            only_if_alive=only_if_alive,
        )
        try:
            response = await self._turns.run(lambda: Deferred.fromCoroutine(self._transport.send(name, call)))
            answer = read_key_answer(response.json(), self._clock.now_ms())
            if answer.server_name != name:
                raise KeyAnswerInvalid(f"they are those of {answer.server_name}")
        except (MatrixError, RequestFailed, KeyAnswerInvalid) as error:
            log.info("no keys from %s: %s", name, error)
            return None
        return answer

    async def _from_notaries(self, servers: Collection[ServerName]) -> list[KeyAnswer]:
        """From the first notary that knows each."""
        found: dict[ServerName, KeyAnswer] = {}
        for notary in self._notaries:
            missing = [name for name in servers if name not in found and name != notary.server_name]
            if missing:
                found.update({answer.server_name: answer for answer in await self._notary(notary, missing)})
        return list(found.values())

    async def _notary(self, notary: KeyServer, servers: Sequence[ServerName]) -> list[KeyAnswer]:
        call = Call(
            method="POST",
            path="/_matrix/key/v2/query",
            content={"server_keys": {name: {} for name in servers}},
            bounds=_NOTARY_BOUNDS,
        )
        try:
            response = await self._transport.send(ServerName(notary.server_name), call)
            answered = response.json()["server_keys"]
            return list(self._believed(notary, answered, servers))
        except (MatrixError, RequestFailed) as error:
            log.info("no keys from the notary %s: %s", notary.server_name, error)
        except (KeyError, TypeError):
            log.info("no keys from the notary %s: its answer is malformed", notary.server_name)
        return []

    def _believed(
        self, notary: KeyServer, answers: Iterable[JsonValue], servers: Sequence[ServerName]
    ) -> Iterable[KeyAnswer]:
        for value in answers:
            try:
                _check_notary(notary, value)
                answer = read_key_answer(value, self._clock.now_ms())
            except (KeyAnswerInvalid, SignatureInvalid) as error:
                log.info("useless keys from the notary %s: %s", notary.server_name, error)
                continue
            if answer.server_name in servers:
                yield answer


def _without(servers: Collection[ServerName], found: Sequence[KeyAnswer]) -> set[ServerName]:
    return set(servers) - {answer.server_name for answer in found}


def _check_notary(notary: KeyServer, value: JsonValue) -> None:
    """Raises SignatureInvalid. Where its keys are not configured, its certificate was enough."""
    if not notary.verify_keys:
        return
    problem = SignatureInvalid("the notary has no keys")
    for key_id, public_key in notary.verify_keys.items():
        try:
            verify_json(value, notary.server_name, key_id, public_key)
        except SignatureInvalid as error:
            problem = error
            continue
        return
    raise problem
