"""Tags on rooms, which are the room's account data of type m.tag.

https://spec.matrix.org/v1.19/client-server-api/#room-tagging
"""

from functools import partial

from homeserver.account_data.contents import AccountData
from homeserver.account_data.store import ContentKey
from homeserver.protocol.errors import InvalidParam
from homeserver.protocol.identifiers import MAX_IDENTIFIER_BYTES, exceeds_bytes
from homeserver.protocol.json import JsonObject, decode_json


def tags_in(content: JsonObject) -> JsonObject:
    """The tags of m.tag content; none where a client wrote something else there."""
    tags = content.get("tags")
    return tags if isinstance(tags, dict) else {}


def with_tag(tag: str, info: JsonObject, content: JsonObject) -> JsonObject:
    return {**content, "tags": {**tags_in(content), tag: info}}


def without_tag(tag: str, content: JsonObject) -> JsonObject:
    return {**content, "tags": {name: info for name, info in tags_in(content).items() if name != tag}}


class Tags:
    """The tags that a user, by short id, put on a room."""

    def __init__(self, account_data: AccountData) -> None:
        self._account_data = account_data

    async def of_room(self, user_nid: int, room_nid: int) -> JsonObject:
        content = await self._account_data.content(_key(user_nid, room_nid))
        return {} if content is None else tags_in(decode_json(content))

    async def add(self, user_nid: int, room_nid: int, tag: str, info: JsonObject) -> None:
        """Raises InvalidParam where the tag's name is too long."""
        if exceeds_bytes(tag):
            raise InvalidParam(f"The name of a tag may have {MAX_IDENTIFIER_BYTES} bytes")
        await self._account_data.edit(_key(user_nid, room_nid), partial(with_tag, tag, info))

    async def remove(self, user_nid: int, room_nid: int, tag: str) -> None:
        await self._account_data.edit(_key(user_nid, room_nid), partial(without_tag, tag))


def _key(user_nid: int, room_nid: int) -> ContentKey:
    return ContentKey(user_nid, room_nid, "m.tag")
