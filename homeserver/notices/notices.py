"""The server speaks to its users, each in a room of their own.

https://spec.matrix.org/v1.19/client-server-api/#server-notices
"""

from contextlib import suppress

from config.server_notices import ServerNotices as Settings
from homeserver.account_data.tags import Tags
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.profile import AVATAR_URL, DISPLAYNAME
from homeserver.accounts.profiles import ProfileEditor, Profiles
from homeserver.notices.store import notice_room, put_notice_room
from homeserver.protocol.errors import InvalidParam, NotFound, Unknown, UserInUse
from homeserver.protocol.identifiers import EventID, RoomID, UserID
from homeserver.protocol.json import JsonObject
from homeserver.rooms.create import CreateRoom, InitialState, RoomCreator
from homeserver.rooms.draft import Draft
from homeserver.rooms.head import Heads
from homeserver.rooms.members import Members
from homeserver.rooms.membership import MembershipChanges
from homeserver.rooms.send import EventSender
from homeserver.runtime.locks import KeyedLocks
from homeserver.storage.database import Database

TAG = "m.server_notice"


class ServerNotices:
    """Sends notices, and makes the rooms for them."""

    def __init__(
        self,
        speaker: UserID | None,
        settings: Settings,
        accounts: Accounts,
        profiles: Profiles,
        editor: ProfileEditor,
        creator: RoomCreator,
        changes: MembershipChanges,
        sender: EventSender,
        heads: Heads,
        members: Members,
        tags: Tags,
        db: Database,
    ) -> None:
        """Without a `speaker` there are no notices."""
        self._speaker = speaker
        self._settings = settings
        self._accounts = accounts
        self._profiles = profiles
        self._editor = editor
        self._creator = creator
        self._changes = changes
        self._sender = sender
        self._heads = heads
        self._members = members
        self._tags = tags
        self._db = db
        self._locks: KeyedLocks[UserID] = KeyedLocks()

    async def send(
        self,
        user_id: UserID,
        content: JsonObject,
        *,
        type_: str = "m.room.message",
        state_key: str | None = None,
        transaction: tuple[int, str, str] | None = None,
    ) -> EventID:
        """The ID of the event. The same `transaction` sends one event only.

        Raises Unknown where notices are not on, NotFound where there is no such user, InvalidParam where that is the
        speaker, InviteBlocked, and what sending does.
        """
        if self._speaker is None:
            raise Unknown("Server notices are not enabled on this server")
        if user_id == self._speaker:
            raise InvalidParam("The server does not speak to itself")
        account = await self._accounts.find(user_id)
        if account is None or account.deactivated_at is not None:
            raise NotFound("There is no such user on this server")
        async with self._locks.held(user_id):
            room_id = await self._room(self._speaker, user_id, account.user_nid)
        draft = Draft(
            room_id=room_id,
            type=type_,
            sender=self._speaker,
            content=content,
            state_key=state_key,
            transaction=transaction,
        )
        return (await self._sender.send(draft)).event_id

    async def introduce(self) -> None:
        """At the start of the server: the speaker's account is there, and as the operator wants it."""
        speaker = self._speaker
        if speaker is None:
            return
        with suppress(UserInUse):
            await self._accounts.create(speaker, None, displayname=self._settings.display_name)
        profile = await self._profiles.get(speaker)
        shown = {} if profile is None else profile.as_json()
        wanted = {DISPLAYNAME: self._settings.display_name, AVATAR_URL: self._settings.avatar_url}
        for key, value in wanted.items():
            if value is not None and shown.get(key) != value:
                await self._editor.set_field(speaker, key, value)

    async def _room(self, speaker: UserID, user_id: UserID, user_nid: int) -> RoomID:
        """With the user in it, or invited."""
        room_id = await self._db.read(notice_room, user_nid)
        if room_id is None:
            room_id = await self._creator.create(speaker, self._wish(user_id))
            await self._db.write(put_notice_room, user_nid, room_id)
        room = await self._heads.nid_of(room_id)
        member = await self._members.membership(room, user_nid)
        if member is None or member.membership not in ("invite", "join"):
            await self._changes.invite(speaker, room_id, user_id)
        if self._settings.auto_join and (member is None or member.membership != "join"):
            await self._changes.join(user_id, room_id)
        if TAG not in await self._tags.of_room(user_nid, room):
            await self._tags.add(user_nid, room, TAG, {})
        return room_id

    def _wish(self, user_id: UserID) -> CreateRoom:
        avatar_url = self._settings.room_avatar_url
        avatar = [] if avatar_url is None else [InitialState("m.room.avatar", {"url": avatar_url})]
        return CreateRoom(
            preset="private_chat",
            name=self._settings.room_name,
            topic=self._settings.room_topic,
            initial_state=avatar,
            invite=[user_id],
            # Nobody but the server speaks.
            power_level_content_override={"users_default": -10},
            creation_content={"m.federate": False},
        )
