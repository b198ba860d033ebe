"""Events as one user sees them, with what the server tells of their children."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from homeserver.protocol.identifiers import EventID, RoomID
from homeserver.protocol.json import encode_json
from homeserver.protocol.relations import REFERENCE, REPLACE, THREAD
from homeserver.rooms.timeline_event import TimelineEvent, Viewer, show


class Seen(NamedTuple):
    """An event with the viewer's membership at it, including what the event itself changed (MSC4115)."""

    event: TimelineEvent
    membership: str
    bundle: "Bundle | None" = None


@dataclass(frozen=True, slots=True)
class Thread:
    """https://spec.matrix.org/v1.19/client-server-api/#server-side-aggregation-of-mthread-relationships"""

    latest: Seen
    count: int
    participated: bool


@dataclass(frozen=True, slots=True)
class Bundle:
    """The aggregated children of an event: its thread, its newest edit, the events that refer to it.

    https://spec.matrix.org/v1.19/client-server-api/#aggregations-of-child-events
    """

    thread: Thread | None = None
    edit: Seen | None = None
    references: Sequence[EventID] = ()


def show_seen(seen: Seen, viewer: Viewer, room_id: RoomID | None = None) -> msgspec.Raw:
    """As `show`, with the bundle."""
    relations = None if seen.bundle is None else _show_bundle(seen.bundle, viewer, room_id)
    return show(seen.event, viewer, seen.membership, room_id, relations)


def _show_bundle(bundle: Bundle, viewer: Viewer, room_id: RoomID | None) -> bytes:
    shown: dict[str, object] = {}
    if bundle.thread is not None:
        shown[THREAD] = {
            "latest_event": show_seen(bundle.thread.latest, viewer, room_id),
            "count": bundle.thread.count,
            "current_user_participated": bundle.thread.participated,
        }
    if bundle.edit is not None:
        shown[REPLACE] = show_seen(bundle.edit, viewer, room_id)
    if bundle.references:
        shown[REFERENCE] = {"chunk": [{"event_id": event_id} for event_id in bundle.references]}
    return encode_json(shown)
