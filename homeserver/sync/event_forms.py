"""The form in which a client wants the events of rooms: as clients or as servers know them, and which parts of them.

https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3useruseridfilter
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from homeserver.protocol.filters import Filter, only_fields
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.json import decode_json, encode_json
from homeserver.rooms.pdus import pdus_by_nid
from homeserver.rooms.seen import Seen, show_seen
from homeserver.rooms.timeline_event import TimelineEvent, Viewer, show
from homeserver.storage.database import Database
from homeserver.sync.room_delta import RoomDelta


class EventForm(Protocol):
    """Writes events as JSON."""

    def of_timeline(self, seen: Seen) -> msgspec.Raw: ...

    def of_state(self, event: TimelineEvent) -> msgspec.Raw: ...


async def event_form(db: Database, wish: Filter, viewer: Viewer, deltas: Sequence[RoomDelta]) -> EventForm:
    """The form that the filter wants, for the events of `deltas`."""
    form: EventForm = _ClientForm(viewer)
    if wish.event_format == "federation":
        told = [one.event for delta in deltas for one in delta.timeline]
        told += [event for delta in deltas for event in delta.state]
        form = _FederationForm(form, await db.read(pdus_by_nid, [event.nid for event in told]))
    return form if wish.event_fields is None else _Selection(form, wish.event_fields)


class _ClientForm:
    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer

    def of_timeline(self, seen: Seen) -> msgspec.Raw:
        return show_seen(seen, self._viewer)

    def of_state(self, event: TimelineEvent) -> msgspec.Raw:
        return show(event, self._viewer)


class _ByThisServer(msgspec.Struct):
    """What an event has that its sender did not write."""

    event_id: EventID
    unsigned: msgspec.Raw


class _FederationForm:
    """PDUs, with what this server adds to events for their viewer."""

    def __init__(self, form: EventForm, pdus: Mapping[int, bytes]) -> None:
        self._form = form
        self._pdus = pdus

    def of_timeline(self, seen: Seen) -> msgspec.Raw:
        return self._joined(seen.event, self._form.of_timeline(seen))

    def of_state(self, event: TimelineEvent) -> msgspec.Raw:
        return self._joined(event, self._form.of_state(event))

    def _joined(self, event: TimelineEvent, shown: msgspec.Raw) -> msgspec.Raw:
        added = msgspec.json.decode(shown, type=_ByThisServer)
        pdu = msgspec.json.decode(self._pdus[event.nid], type=dict[str, msgspec.Raw])
        return msgspec.Raw(encode_json({**pdu, "event_id": added.event_id, "unsigned": added.unsigned}))


class _Selection:
    """Parts of events."""

    def __init__(self, form: EventForm, paths: Sequence[str]) -> None:
        self._form = form
        self._paths = paths

    def of_timeline(self, seen: Seen) -> msgspec.Raw:
        return self._selected(self._form.of_timeline(seen))

    def of_state(self, event: TimelineEvent) -> msgspec.Raw:
        return self._selected(self._form.of_state(event))

    def _selected(self, shown: msgspec.Raw) -> msgspec.Raw:
        return msgspec.Raw(encode_json(only_fields(decode_json(shown), self._paths)))
