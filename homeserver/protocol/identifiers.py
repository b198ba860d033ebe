"""Matrix identifiers: their types, their grammar and their parts.

https://spec.matrix.org/v1.19/appendices/#identifier-grammar
"""

import re
from typing import NewType

from homeserver.protocol.errors import InvalidParam, InvalidUsername

UserID = NewType("UserID", str)
RoomID = NewType("RoomID", str)
EventID = NewType("EventID", str)
RoomAlias = NewType("RoomAlias", str)
ServerName = NewType("ServerName", str)
DeviceID = NewType("DeviceID", str)

MAX_IDENTIFIER_BYTES = 255

# An IPv4 address is a DNS name as far as its characters go.
_SERVER_NAME = r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,255})(?::[0-9]{1,5})?"
# Historical localparts: anything but the separator, NUL and surrogates.
_LOCALPART = r"[^:\x00\ud800-\udfff]"
_HASH = r"[A-Za-z0-9_-]{43}"

SERVER_NAME = re.compile(_SERVER_NAME)
USER_ID = re.compile(f"@{_LOCALPART}*:{_SERVER_NAME}")
ROOM_ALIAS = re.compile(f"#{_LOCALPART}+:{_SERVER_NAME}")
ROOM_ID = re.compile(f"!(?:{_LOCALPART}+:{_SERVER_NAME}|{_HASH})")
# Hashed in room versions 3 and later, and too many forms were sent in 1 and 2 to ask for more than a sigil.
EVENT_ID = re.compile(r"\$[^\x00\ud800-\udfff]+")

_NEW_LOCALPART = re.compile(r"[a-z0-9._=/+-]+")


def parse_user_id(text: str) -> UserID:
    """Accepts historical user IDs too. Raises InvalidParam."""
    return UserID(_checked(text, USER_ID, "user ID"))


def parse_room_id(text: str) -> RoomID:
    """With a domain, or the hash of a create event (room version 12). Raises InvalidParam."""
    return RoomID(_checked(text, ROOM_ID, "room ID"))


def parse_room_alias(text: str) -> RoomAlias:
    """Raises InvalidParam."""
    return RoomAlias(_checked(text, ROOM_ALIAS, "room alias"))


def parse_event_id(text: str) -> EventID:
    """Of any room version. Raises InvalidParam."""
    return EventID(_checked(text, EVENT_ID, "event ID"))


def parse_server_name(text: str) -> ServerName:
    """Raises InvalidParam."""
    return ServerName(_checked(text, SERVER_NAME, "server name"))


def _checked(text: str, grammar: re.Pattern[str], name: str) -> str:
    if grammar.fullmatch(text) is None:
        raise InvalidParam(f"Not a valid {name}")
    if exceeds_bytes(text):
        raise InvalidParam(f"The {name} is longer than {MAX_IDENTIFIER_BYTES} bytes")
    return text


def exceeds_bytes(text: str, limit: int = MAX_IDENTIFIER_BYTES) -> bool:
    """Whether `text` takes more than `limit` bytes in UTF-8."""
    return len(text) > limit or (not text.isascii() and len(text.encode()) > limit)


def localpart_of(user_id: str) -> str:
    """What stands between the sigil and the first colon; of a room alias too."""
    return user_id[1:].partition(":")[0]


def server_of(identifier: str) -> ServerName:
    """The server that allocated a user ID, room alias, or room or event ID that names one.

    Raises InvalidParam where the identifier names no server, as room IDs of version 12 do not.
    """
    server_name = identifier.partition(":")[2]
    if not server_name:
        raise InvalidParam("The identifier names no server")
    return ServerName(server_name)


def is_valid_new_localpart(localpart: str) -> bool:
    """Whether new users may be called so, which is stricter than what is accepted from elsewhere."""
    return _NEW_LOCALPART.fullmatch(localpart) is not None


def new_user_id(localpart: str, server_name: ServerName) -> UserID:
    """The ID of a user that is to be made. Raises InvalidUsername."""
    if not is_valid_new_localpart(localpart):
        raise InvalidUsername("User names consist of a-z, 0-9 and ._=-/+")
    user_id = UserID(f"@{localpart}:{server_name}")
    if exceeds_bytes(user_id):
        raise InvalidUsername(f"The user ID would be longer than {MAX_IDENTIFIER_BYTES} bytes")
    return user_id
