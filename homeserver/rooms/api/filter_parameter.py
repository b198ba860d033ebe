"""The query parameter `filter` of endpoints that read rooms: JSON in text."""

from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.filters import RoomEventFilter, parse_room_event_filter
from homeserver.protocol.json import decode_json


def filter_of(text: str | None) -> RoomEventFilter:
    """Everything where there is none. Raises InvalidParam, BadJson."""
    if text is None:
        return RoomEventFilter()
    try:
        return parse_room_event_filter(decode_json(text))
    except ValueError as error:
        raise InvalidParam("The filter is not JSON") from error
