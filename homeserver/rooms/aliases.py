"""Who may name rooms, and put them onto the list that everyone may find.

https://spec.matrix.org/v1.19/client-server-api/#room-aliases
"""

from collections.abc import Iterable

from config.directory import RoomDirectory, permits
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.reserved_names import NOTHING_RESERVED, ReservedNames
from homeserver.http.requester import Requester
from homeserver.protocol.errors import AliasInUse, BadAlias, Forbidden, InvalidParam, NotFound, RoomInUse
from homeserver.protocol.identifiers import RoomAlias, RoomID, UserID, parse_room_alias
from homeserver.protocol.json import JsonObject, JsonValue
from homeserver.rooms.directory import Directory
from homeserver.rooms.draft import Draft
from homeserver.rooms.head import Head, Heads
from homeserver.rooms.powers import may_set
from homeserver.rooms.send import EventSender

CANONICAL = "m.room.canonical_alias"


class Aliases:
    """Changes to the directory on behalf of users."""

    def __init__(
        self,
        directory: Directory,
        sender: EventSender,
        heads: Heads,
        domains: LocalDomains,
        settings: RoomDirectory,
        reserved: ReservedNames = NOTHING_RESERVED,
    ) -> None:
        self._directory = directory
        self._sender = sender
        self._heads = heads
        self._domains = domains
        self._settings = settings
        self._reserved = reserved

    async def set(self, requester: Requester, alias: RoomAlias, room_id: RoomID) -> None:
        """Raises AliasInUse, InvalidParam for other servers' aliases, Forbidden, NotFound, ExclusiveNamespace."""
        if not self._domains.is_local(alias):
            raise InvalidParam("The alias must be of this server")
        head = await self._heads.get(room_id)
        self.check_creation(requester.user_id, alias, room_id)
        if self._settings.membership_for_aliases and not requester.is_admin:
            await self._require_joined(head, requester.user_id)
        try:
            await self._directory.claim(alias, room_id, requester.user_id)
        except RoomInUse as error:
            raise AliasInUse(str(error)) from None

    def check_creation(self, user_id: UserID, alias: RoomAlias, room_id: RoomID) -> None:
        """Raises Forbidden where the operator's rules keep the user from giving the alias, ExclusiveNamespace."""
        self._reserved.check_alias(alias, user_id)
        if not permits(self._settings.alias_creation_rules, user_id, room_id, [alias]):
            raise Forbidden("You may not give this alias")

    async def remove(self, requester: Requester, alias: RoomAlias) -> None:
        """Also from the room's canonical alias event, where the requester may. Raises Forbidden, NotFound."""
        room_id, creator = await self._directory.find(alias)
        head = await self._heads.get(room_id)
        is_own = requester.is_admin or creator == requester.user_id
        if not is_own and not await may_set(self._heads, head, requester.user_id, CANONICAL):
            raise Forbidden("You may not delete this alias")
        await self._directory.delete(alias)
        await self._remove_from_canonical(head, requester.user_id, alias)

    async def publish(self, requester: Requester, room_id: RoomID, *, wanted: bool) -> None:
        """Puts the room onto the list, or takes it off. Raises Forbidden, NotFound."""
        head = await self._heads.get(room_id)
        if not requester.is_admin and not await may_set(self._heads, head, requester.user_id, CANONICAL):
            raise Forbidden("You may not change whether this room is published")
        if wanted:
            await self.check_publication(requester.user_id, room_id)
            await self._directory.publish(head.nid)
        else:
            await self._directory.unpublish(head.nid)

    async def check_publication(
        self, user_id: UserID, room_id: RoomID, aliases: Iterable[RoomAlias] = ()
    ) -> None:
        """Raises Forbidden where the operator's rules keep the user from publishing the room.

        `aliases` are those that it is about to have, besides those that it has.
        """
        known = {*aliases, *await self._directory.aliases_of(room_id)}
        if not permits(self._settings.publication_rules, user_id, room_id, known):
            raise Forbidden("You may not publish this room")

    async def is_published(self, room_id: RoomID) -> bool:
        """Raises NotFound."""
        return await self._directory.is_published((await self._heads.get(room_id)).nid)

    async def check_canonical(self, room_id: RoomID, content: JsonObject) -> None:
        """Whether the aliases that `m.room.canonical_alias` is to name point to the room.

        Those that it names already are not looked at again. Raises BadAlias, InvalidParam for what is no alias.

        https://spec.matrix.org/v1.19/client-server-api/#mroomcanonical_alias
        """
        head = await self._heads.get(room_id)
        slot = (CANONICAL, "")
        await self._heads.load(head, [slot])
        current = head.get(slot)
        known = () if current is None else _aliases_in(current.content)
        for text in _aliases_in(content):
            if text in known:
                continue
            if not isinstance(text, str):
                raise InvalidParam("An alias must be a string")
            await self._check_points_to(parse_room_alias(text), room_id)

    async def _check_points_to(self, alias: RoomAlias, room_id: RoomID) -> None:
        try:
            found = await self._directory.room_of(alias)
        except NotFound:
            found = None
        if found != room_id:
            raise BadAlias(f"{alias} does not point to this room")

    async def _require_joined(self, head: Head, user_id: UserID) -> None:
        slot = ("m.room.member", str(user_id))
        await self._heads.load(head, [slot])
        member = head.get(slot)
        if member is None or member.membership != "join":
            raise Forbidden("You must be in the room to give it an alias")

    async def _remove_from_canonical(self, head: Head, user_id: UserID, alias: RoomAlias) -> None:
        slot = (CANONICAL, "")
        await self._heads.load(head, [slot])
        current = head.get(slot)
        content = None if current is None else _without(current.content, alias)
        if content is None:
            return
        try:
            await self._sender.send(
                Draft(room_id=head.room_id, type=CANONICAL, state_key="", sender=user_id, content=content)
            )
        except Forbidden:
            # The alias is gone nevertheless, as the specification recommends.
            return


def _aliases_in(content: JsonObject) -> list[JsonValue]:
    """The aliases that `m.room.canonical_alias` names, whatever they are; an empty one is none."""
    alternatives = content.get("alt_aliases")
    named = [content.get("alias"), *(alternatives if isinstance(alternatives, list) else ())]
    return [alias for alias in named if alias is not None and alias != ""]


def _without(content: JsonObject, alias: RoomAlias) -> JsonObject | None:
    """The content without an alias; None where it is not there."""
    kept = {key: value for key, value in content.items() if key != "alias" or value != alias}
    alternatives = content.get("alt_aliases")
    if isinstance(alternatives, list) and alias in alternatives:
        kept["alt_aliases"] = [each for each in alternatives if each != alias]
    return kept if kept != content else None
