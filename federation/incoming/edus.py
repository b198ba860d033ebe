"""Messages of other servers that are no events, given to whom they concern.

https://spec.matrix.org/v1.19/server-server-api/#edus
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
from twisted.internet.defer import Deferred

from homeserver.protocol.errors import MatrixError
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.json import JsonObject
from homeserver.runtime.together import together

log = logging.getLogger(__name__)


class _Edu(msgspec.Struct):
    edu_type: str
    content: JsonObject


class EduKind(Protocol):
    """What becomes of EDUs of one type."""

    async def receive(self, origin: ServerName, content: JsonObject) -> None:
        """Raises MatrixError or msgspec.ValidationError where the content is of no use."""


class Edus:
    """An `EduReceiver`: those of types that nobody here knows are left out, and so is what is malformed."""

    def __init__(self, kinds: Mapping[str, EduKind]) -> None:
        """`kinds` are by `edu_type`."""
        self._kinds = kinds

    async def receive(self, origin: ServerName, edus: Sequence[JsonObject]) -> None:
        # At once, so that they share their commits.
        await together(Deferred.fromCoroutine(self._take(origin, edu)) for edu in edus)

    async def _take(self, origin: ServerName, edu: JsonObject) -> None:
        try:
            read = msgspec.convert(edu, _Edu)
            kind = self._kinds.get(read.edu_type)
            if kind is not None:
                await kind.receive(origin, read.content)
        except (MatrixError, msgspec.ValidationError) as error:
            log.debug("an EDU of %s is of no use: %s", origin, error)
