"""Transactions of other servers: staged before they are answered, each once.

https://spec.matrix.org/v1.19/server-server-api/#transactions
"""

from collections.abc import Sequence
from typing import Protocol

from federation.incoming.admission import Admission
from federation.incoming.pdu_checks import PduChecks, Unusable
from federation.incoming.staging import StagedRooms
from federation.incoming.store import StagedEvent, answer_to, delete_transactions_before, insert_transaction
from federation.incoming.withdrawals import Withdrawals
from homeserver.protocol.errors import InvalidParam, MatrixError
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EVENT_ID, EventID, RoomID, ServerName, parse_room_id
from homeserver.protocol.json import JsonObject, decode_json, encode_json
from homeserver.runtime.clock import Clock
from homeserver.storage.database import Database

_DAY_MS = 24 * 3600 * 1000

Results = dict[str, JsonObject]
"""By event ID: empty, or with the `error` for which an event was not taken."""


class EduReceiver(Protocol):
    """What becomes of messages that are no events."""

    async def receive(self, origin: ServerName, edus: Sequence[JsonObject]) -> None:
        """Takes in what is of use; the rest is left out. Being called twice does no harm."""


class Transactions:
    def __init__(
        self,
        admission: Admission,
        checks: PduChecks,
        edus: EduReceiver,
        staged: StagedRooms,
        withdrawals: Withdrawals,
        db: Database,
        clock: Clock,
    ) -> None:
        self._admission = admission
        self._checks = checks
        self._edus = edus
        self._staged = staged
        self._withdrawals = withdrawals
        self._db = db
        self._clock = clock

    async def receive(
        self, origin: ServerName, txn_id: str, pdus: Sequence[JsonObject], edus: Sequence[JsonObject]
    ) -> JsonObject:
        """What is wrong with each PDU, as far as it can be told at once; the same again for a repeated ID."""
        answered = await self._db.read(answer_to, origin, txn_id)
        if answered is not None:
            repeated: JsonObject = decode_json(answered)
            return repeated
        results, events = await self._check_all(origin, pdus)
        await self._edus.receive(origin, edus)
        now_ms = self._clock.now_ms()
        staged = [
            StagedEvent(event.room_id, event.event_id, origin, now_ms, place, encode_json(event.pdu()))
            for place, event in enumerate(events)
        ]
        answer: JsonObject = {"pdus": results}
        await self._db.write(insert_transaction, origin, txn_id, now_ms, encode_json(answer), staged)
        for room_id in {event.room_id for event in events}:
            self._staged.wake(room_id)
        return answer

    async def forget_old(self) -> None:
        """For a task: nobody repeats a transaction after a day."""
        await self._db.write(delete_transactions_before, self._clock.now_ms() - _DAY_MS)

    async def _check_all(self, origin: ServerName, pdus: Sequence[JsonObject]) -> tuple[Results, list[Event]]:
        by_room: dict[RoomID, list[JsonObject]] = {}
        results: Results = {}
        for pdu in pdus:
            try:
                by_room.setdefault(parse_room_id(_text(pdu, "room_id")), []).append(pdu)
            except InvalidParam as error:
                results.update(_refused(pdu, error))
        events: list[Event] = []
        for room_id, of_room in by_room.items():
            try:
                checked = await self._check(origin, room_id, of_room)
            except MatrixError as error:
                for pdu in of_room:
                    results.update(_refused(pdu, error))
                results.update({event_id: {} for event_id in await self._withdrawals.take(room_id, of_room)})
                continue
            for one in checked:
                if isinstance(one, Event):
                    events.append(one)
                    results[one.event_id] = {}
                elif one.event_id is not None:
                    results[one.event_id] = {"error": one.reason}
        return results, events

    async def _check(
        self, origin: ServerName, room_id: RoomID, pdus: Sequence[JsonObject]
    ) -> list[Event | Unusable]:
        version = await self._admission.version(room_id, origin)
        return await self._checks.check(pdus, version)


def _refused(pdu: JsonObject, error: MatrixError) -> Results:
    """Nothing where the event's ID is its hash: how it is made, only those know who know the room."""
    event_id = _text(pdu, "event_id")
    return {EventID(event_id): {"error": str(error)}} if EVENT_ID.fullmatch(event_id) else {}


def _text(pdu: JsonObject, key: str) -> str:
    value = pdu.get(key)
    return value if isinstance(value, str) else ""
