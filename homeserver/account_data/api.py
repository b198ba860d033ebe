"""Client API: account data, tags and filters of the requester."""

from typing import Protocol

import msgspec

from homeserver.account_data.contents import AccountData
from homeserver.account_data.filters import Filters
from homeserver.account_data.store import NO_ROOM, ContentKey
from homeserver.account_data.tags import Tags
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import Forbidden, InvalidParam, NotFound, ServerControlled
from homeserver.protocol.identifiers import MAX_IDENTIFIER_BYTES, RoomID, UserID, exceeds_bytes
from homeserver.protocol.json import JsonObject, encode_json

# https://spec.matrix.org/v1.19/client-server-api/#client-config
_PUSH_RULES = "m.push_rules"
_SERVER_CONTROLLED = {"m.fully_read": "POST /rooms/{roomId}/read_markers", _PUSH_RULES: "/pushrules"}

_MSC3391 = "/_matrix/client/unstable/org.matrix.msc3391/user/{user_id}"


class RoomIds(Protocol):
    """Short ids of rooms. Implemented by `homeserver.rooms`."""

    async def nid_of(self, room_id: RoomID) -> int:
        """Raises NotFound where the room is not known here."""


class PushRulesContent(Protocol):
    """Push rules, which look like account data. Implemented by `homeserver.push`."""

    async def content(self, requester: Requester) -> JsonObject:
        """The requester's m.push_rules."""


class AccountDataEndpoints:
    """What clients keep on the server, for the account and for single rooms."""

    def __init__(self, account_data: AccountData, rooms: RoomIds, push_rules: PushRulesContent) -> None:
        self._account_data = account_data
        self._rooms = rooms
        self._push_rules = push_rules

    @endpoint(
        "PUT",
        "/_matrix/client/(v3|r0)/user/{user_id}/account_data/{data_type}",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def set_account_data(
        self, requester: Requester, user_id: UserID, data_type: str, body: JsonObject
    ) -> JsonObject:
        """Sets account data of one type."""
        _check_own(requester, user_id)
        _check_settable(data_type)
        await self._account_data.put(ContentKey(requester.user_nid, NO_ROOM, data_type), body)
        return {}

    @endpoint(
        "GET",
        "/_matrix/client/(v3|r0)/user/{user_id}/account_data/{data_type}",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def account_data(self, requester: Requester, user_id: UserID, data_type: str) -> msgspec.Raw:
        """Reads account data of one type."""
        _check_own(requester, user_id)
        if data_type == _PUSH_RULES:
            return msgspec.Raw(encode_json(await self._push_rules.content(requester)))
        return await self._content(ContentKey(requester.user_nid, NO_ROOM, data_type))

    @endpoint(
        "PUT",
        "/_matrix/client/(v3|r0)/user/{user_id}/rooms/{room_id}/account_data/{data_type}",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def set_room_account_data(
        self, requester: Requester, user_id: UserID, room_id: RoomID, data_type: str, body: JsonObject
    ) -> JsonObject:
        """Sets account data of one type that is about one room."""
        _check_own(requester, user_id)
        _check_settable(data_type)
        room_nid = await self._rooms.nid_of(room_id)
        await self._account_data.put(ContentKey(requester.user_nid, room_nid, data_type), body)
        return {}

    @endpoint(
        "GET",
        "/_matrix/client/(v3|r0)/user/{user_id}/rooms/{room_id}/account_data/{data_type}",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def room_account_data(
        self, requester: Requester, user_id: UserID, room_id: RoomID, data_type: str
    ) -> msgspec.Raw:
        """Reads account data of one type that is about one room."""
        _check_own(requester, user_id)
        room_nid = await self._rooms.nid_of(room_id)
        return await self._content(ContentKey(requester.user_nid, room_nid, data_type))

    @endpoint("DELETE", _MSC3391 + "/account_data/{data_type}", auth=Auth.USER, limit=Limit.NONE)
    async def delete_account_data(self, requester: Requester, user_id: UserID, data_type: str) -> JsonObject:
        """Deletes account data of one type (MSC3391)."""
        _check_own(requester, user_id)
        _check_settable(data_type)
        await self._account_data.delete(ContentKey(requester.user_nid, NO_ROOM, data_type))
        return {}

    @endpoint(
        "DELETE", _MSC3391 + "/rooms/{room_id}/account_data/{data_type}", auth=Auth.USER, limit=Limit.NONE
    )
    async def delete_room_account_data(
        self, requester: Requester, user_id: UserID, room_id: RoomID, data_type: str
    ) -> JsonObject:
        """Deletes account data of one type that is about one room (MSC3391)."""
        _check_own(requester, user_id)
        _check_settable(data_type)
        room_nid = await self._rooms.nid_of(room_id)
        await self._account_data.delete(ContentKey(requester.user_nid, room_nid, data_type))
        return {}

    async def _content(self, key: ContentKey) -> msgspec.Raw:
        content = await self._account_data.content(key)
        if content is None:
            raise NotFound("There is no account data of this type")
        return msgspec.Raw(content)


class TagList(msgspec.Struct, frozen=True):
    tags: JsonObject


class TagEndpoints:
    """The requester's tags on a room."""

    def __init__(self, tags: Tags, rooms: RoomIds) -> None:
        self._tags = tags
        self._rooms = rooms

    @endpoint(
        "GET",
        "/_matrix/client/(v3|r0)/user/{user_id}/rooms/{room_id}/tags",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def room_tags(self, requester: Requester, user_id: UserID, room_id: RoomID) -> TagList:
        """Lists the tags of a room."""
        _check_own(requester, user_id)
        room_nid = await self._rooms.nid_of(room_id)
        return TagList(await self._tags.of_room(requester.user_nid, room_nid))

    @endpoint(
        "PUT",
        "/_matrix/client/(v3|r0)/user/{user_id}/rooms/{room_id}/tags/{tag}",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def add_tag(
        self, requester: Requester, user_id: UserID, room_id: RoomID, tag: str, body: JsonObject
    ) -> JsonObject:
        """Adds a tag to a room, or changes what it says."""
        _check_own(requester, user_id)
        room_nid = await self._rooms.nid_of(room_id)
        await self._tags.add(requester.user_nid, room_nid, tag, body)
        return {}

    @endpoint(
        "DELETE",
        "/_matrix/client/(v3|r0)/user/{user_id}/rooms/{room_id}/tags/{tag}",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def remove_tag(
        self, requester: Requester, user_id: UserID, room_id: RoomID, tag: str
    ) -> JsonObject:
        """Removes a tag from a room."""
        _check_own(requester, user_id)
        room_nid = await self._rooms.nid_of(room_id)
        await self._tags.remove(requester.user_nid, room_nid, tag)
        return {}


class StoredFilter(msgspec.Struct, frozen=True):
    filter_id: str


class FilterEndpoints:
    """The requester's filters."""

    def __init__(self, filters: Filters) -> None:
        self._filters = filters

    @endpoint("POST", "/_matrix/client/(v3|r0)/user/{user_id}/filter", auth=Auth.USER, limit=Limit.NONE)
    async def define_filter(self, requester: Requester, user_id: UserID, body: JsonObject) -> StoredFilter:
        """Stores a filter."""
        _check_own(requester, user_id)
        return StoredFilter(await self._filters.add(requester.user_nid, body))

    @endpoint(
        "GET",
        "/_matrix/client/(v3|r0)/user/{user_id}/filter/{filter_id}",
        auth=Auth.USER,
        limit=Limit.NONE,
    )
    async def filter(self, requester: Requester, user_id: UserID, filter_id: str) -> msgspec.Raw:
        """Reads a stored filter."""
        _check_own(requester, user_id)
        return msgspec.Raw(await self._filters.definition(requester.user_nid, filter_id))


def _check_own(requester: Requester, user_id: UserID) -> None:
    if user_id != requester.user_id:
        raise Forbidden("This belongs to another user")


def _check_settable(data_type: str) -> None:
    if data_type in _SERVER_CONTROLLED:
        raise ServerControlled(f"{data_type} cannot be set here; use {_SERVER_CONTROLLED[data_type]}")
    if exceeds_bytes(data_type):
        raise InvalidParam(f"The type may have {MAX_IDENTIFIER_BYTES} bytes")
