"""What becomes of an event that a server receives: our rules in the order in which they are applied.

https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
"""

from collections.abc import Collection, Mapping

from homeserver.protocol.errors import MatrixError
from homeserver.protocol.event import Event, StateMap
from homeserver.protocol.event_auth import AuthRejected, check_auth, check_auth_events
from homeserver.protocol.event_signatures import required_signers
from homeserver.protocol.events import parse_pdu
from homeserver.protocol.identifiers import EventID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import RoomVersion


def refusal(
    pdu: JsonObject,
    version: RoomVersion,
    known: Mapping[EventID, Event],
    rejected: Collection[EventID],
    state: StateMap,
) -> str | None:
    """Why the event is not accepted; None where it is.

    `known` has the events that it cites, `state` is that of the room before it. Signatures must be there, but
    are not verified.
    """
    try:
        event = parse_pdu(pdu, version)
        if not required_signers(event) <= event.signatures.keys():
            return "A signature is missing"
        cited = [known[event_id] for event_id in event.auth_events]
        check_auth_events(event, cited, rejected)
        check_auth(event, cited_state(event, cited, known))
        check_auth(event, state)
    except (MatrixError, AuthRejected) as error:
        return f"{type(error).__name__}: {error}"
    return None


def cited_state(event: Event, cited: Collection[Event], known: Mapping[EventID, Event]) -> StateMap:
    """The state that the auth events make, and the create event that those of room version 12 do not list."""
    state = {each.slot: each for each in cited}
    if event.version.room_id_is_create_hash:
        create = known.get(EventID("$" + event.room_id[1:]))
        if create is not None:
            state[create.slot] = create
    return state
