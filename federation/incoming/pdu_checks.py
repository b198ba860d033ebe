"""The checks that an event passes on its own: its format, its signatures and its hash.

https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu (1 to 3)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from twisted.internet.defer import gatherResults

from federation.keyring import Keyring
from homeserver.protocol.errors import MatrixError
from homeserver.protocol.events import Event, ReadPdu, read_pdu
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.json import JsonObject, decode_json
from homeserver.protocol.redaction import redact_event
from homeserver.protocol.room_versions import RoomVersion
from homeserver.runtime.threads import Threads

# Some 10 ms of work for a thread.
_BATCH = 50
# What nobody signed takes memory until that is known. The keys for so many are had together.
_MOST_TOGETHER = 5000

Pdu: TypeAlias = JsonObject | msgspec.Raw


@dataclass(frozen=True, slots=True)
class Unusable:
    """A PDU that failed one of the checks. `event_id` is None where it cannot even be named."""

    event_id: EventID | None
    reason: str


class PduChecks:
    def __init__(self, keyring: Keyring, threads: Threads) -> None:
        self._keyring = keyring
        self._threads = threads

    async def check(self, pdus: Sequence[Pdu], version: RoomVersion) -> list[Event | Unusable]:
        """The event of each PDU, in their order; redacted where its hash is not that of its content."""
        checked: list[Event | Unusable] = []
        for start in range(0, len(pdus), _MOST_TOGETHER):
            checked += await self._check(pdus[start : start + _MOST_TOGETHER], version)
        return checked

    async def _check(self, pdus: Sequence[Pdu], version: RoomVersion) -> list[Event | Unusable]:
        batches = [pdus[start : start + _BATCH] for start in range(0, len(pdus), _BATCH)]
        outcomes = await gatherResults([self._threads.run(_read_all, batch, version) for batch in batches])
        read = [one for batch in outcomes for one in batch]
        problems = iter(await self._keyring.verify_events([one for one in read if isinstance(one, ReadPdu)]))
        checked: list[Event | Unusable] = []
        for one in read:
            if isinstance(one, Unusable):
                checked.append(one)
            elif (problem := next(problems)) is not None:
                checked.append(Unusable(one.event.event_id, str(problem)))
            else:
                checked.append(one.event if one.is_whole else redact_event(one.event))
        return checked

    async def usable(self, pdus: Sequence[Pdu], version: RoomVersion) -> list[Event]:
        """The events of those that pass."""
        return [one for one in await self.check(pdus, version) if isinstance(one, Event)]


def each_once(pdus: Iterable[msgspec.Raw]) -> list[msgspec.Raw]:
    """Without those that are the same in every byte: some servers send an event in two lists.

    They stay where they are in memory, as there may be hundreds of megabytes of them.
    """
    met: dict[int, msgspec.Raw] = {}
    once = []
    for pdu in pdus:
        data = bytes(pdu)
        before = met.setdefault(hash(data), pdu)
        if before is pdu or bytes(before) != data:
            once.append(pdu)
    return once


def _read_all(pdus: Sequence[Pdu], version: RoomVersion) -> list[ReadPdu | Unusable]:
    return [_read(pdu, version) for pdu in pdus]


def _read(pdu: Pdu, version: RoomVersion) -> ReadPdu | Unusable:
    try:
        fields = decode_json(bytes(pdu)) if isinstance(pdu, msgspec.Raw) else pdu
        if not isinstance(fields, dict):
            return Unusable(None, "It is no object")
        return read_pdu(fields, version)
    except MatrixError as error:
        return Unusable(None, str(error))
    except (ValueError, RecursionError) as error:
        return Unusable(None, f"It is no canonical JSON: {error}")
