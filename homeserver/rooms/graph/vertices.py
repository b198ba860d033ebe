"""Events on their way into the graph of their room."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from homeserver.protocol.auth_graph import auth_event_ids, ids_in_auth_order
from homeserver.protocol.events import Event
from homeserver.protocol.identifiers import EventID
from homeserver.rooms.graph.auth_graph import UnknownEvents
from homeserver.rooms.graph.resolution import State


class ShortIds(NamedTuple):
    """Integers that stand for the texts of an event. `target` is the user of a member event."""

    type: int
    slot: int | None
    sender: int
    target: int | None


@dataclass(frozen=True, slots=True)
class Fork:
    """That the states at an event are not those of the room's line at its place.

    `before` is the state before it. After it, a state event that was not rejected stands in its slot; but
    `after_is_current` says that the state after it is the room's, so that the line has it.
    """

    before: State
    after_is_current: bool = False


@dataclass(slots=True, kw_only=True)
class Vertex:
    """An event with its two stored pieces of JSON. `room` and `nid` are known once it is numbered.

    `known` is its number if it was here before.
    """

    event: Event
    short_ids: ShortIds
    client: bytes
    federation: bytes
    fork: Fork | None = None
    known: int | None = None
    room: int = 0
    nid: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which check on its receipt an event failed: the last of them, and it is soft-failed; else it is rejected.

    https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
    """

    reason: str
    soft: bool


@dataclass(slots=True, kw_only=True)
class Aside(Vertex):
    """An event that is kept beside the timeline: refused, or an outlier, of which the place is not known."""

    refusal: Refusal | None = None

    @property
    def is_rejected(self) -> bool:
        return self.refusal is not None and not self.refusal.soft


def in_auth_order(events: Iterable[Event], here: Collection[EventID] = ()) -> list[Event]:
    """The events, each once, and after all that authorises it, of which the events `here` are stored already.

    Raises UnknownEvents where one of those is missing, ValueError where they authorise each other in a circle.
    """
    by_id = {event.event_id: event for event in events}
    cited = {event_id for event in by_id.values() for event_id in auth_event_ids(event)}
    missing = [event_id for event_id in cited if event_id not in by_id and event_id not in here]
    if missing:
        raise UnknownEvents(missing)
    return [by_id[event_id] for event_id in ids_in_auth_order(by_id)]
