"""What a profile is, and what may be in it.

https://spec.matrix.org/v1.19/client-server-api/#profiles
"""

import re

import msgspec

from homeserver.protocol.errors import InvalidParam, KeyTooLarge, ProfileTooLarge
from homeserver.protocol.identifiers import MAX_IDENTIFIER_BYTES, exceeds_bytes
from homeserver.protocol.json import JsonObject, JsonValue, encode_json

DISPLAYNAME = "displayname"
AVATAR_URL = "avatar_url"

# COMPAT(synapse): the limits of Synapse 1.163; member events carry both, so they must be far below 64 KiB.
MAX_DISPLAYNAME = 256
MAX_AVATAR_URL = 1000
_MAX_PROFILE_BYTES = 65_535
# https://spec.matrix.org/v1.19/appendices/#common-namespaced-identifier-grammar
_KEY = re.compile(r"[a-z][a-z0-9_.-]*")


class Profile(msgspec.Struct, frozen=True):
    """How a user presents themselves. `fields` holds all but the two that every client knows."""

    displayname: str | None = None
    avatar_url: str | None = None
    fields: JsonObject = msgspec.field(default_factory=dict)

    def as_json(self) -> JsonObject:
        """As clients and servers see it; what is not set is not there."""
        known = {DISPLAYNAME: self.displayname, AVATAR_URL: self.avatar_url}
        return {key: value for key, value in known.items() if value is not None} | self.fields

    def with_field(self, key: str, value: JsonValue) -> "Profile":
        """Raises InvalidParam for a value that does not fit its key, and ProfileTooLarge."""
        if key == DISPLAYNAME:
            changed = msgspec.structs.replace(self, displayname=_text(key, value, MAX_DISPLAYNAME))
        elif key == AVATAR_URL:
            changed = msgspec.structs.replace(self, avatar_url=_text(key, value, MAX_AVATAR_URL))
        else:
            changed = msgspec.structs.replace(self, fields={**self.fields, key: value})
        if len(encode_json(changed.as_json())) > _MAX_PROFILE_BYTES:
            raise ProfileTooLarge("The profile would be larger than 64 KiB")
        return changed

    def without_field(self, key: str) -> "Profile":
        if key == DISPLAYNAME:
            return msgspec.structs.replace(self, displayname=None)
        if key == AVATAR_URL:
            return msgspec.structs.replace(self, avatar_url=None)
        return msgspec.structs.replace(
            self, fields={other: value for other, value in self.fields.items() if other != key}
        )


def check_key(key: str) -> None:
    """Raises KeyTooLarge or InvalidParam where no profile can have this key."""
    if exceeds_bytes(key):
        raise KeyTooLarge(f"The key may have {MAX_IDENTIFIER_BYTES} bytes")
    if _KEY.fullmatch(key) is None:
        raise InvalidParam("The key begins with a letter and consists of a-z, 0-9 and _.-")


def _text(key: str, value: JsonValue, limit: int) -> str | None:
    if not isinstance(value, str):
        raise InvalidParam(f"{key} must be a string")
    if len(value) > limit or "\0" in value:
        raise InvalidParam(f"{key} may have {limit} characters, and no NUL")
    # An empty name or address is the older way to say that there is none.
    return value or None
