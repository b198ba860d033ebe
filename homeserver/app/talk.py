"""What surrounds the rooms' events: account data, typing, receipts; and /sync, which tells of it all."""

from datetime import timedelta

from homeserver.account_data.api import AccountDataEndpoints, FilterEndpoints, TagEndpoints
from homeserver.account_data.contents import AccountData
from homeserver.account_data.filters import Filters
from homeserver.account_data.tags import Tags
from homeserver.app import shares
from homeserver.app.core import Contribution, Core
from homeserver.app.encryption import EncryptionParts
from homeserver.app.presence import PresenceParts
from homeserver.app.push import PushParts
from homeserver.app.pushers import PusherParts
from homeserver.app.rooms import RoomParts
from homeserver.ephemeral.api import ReceiptEndpoints, TypingEndpoints
from homeserver.ephemeral.listening import EphemeralListener
from homeserver.ephemeral.read_markers import ReadMarkers
from homeserver.ephemeral.receipts import Receipts
from homeserver.ephemeral.typing_notifications import Typing
from homeserver.runtime.tasks import Every
from homeserver.sync.api import SyncEndpoints
from homeserver.sync.changes import ChangeFinder
from homeserver.sync.elsewhere import ElsewhereNews
from homeserver.sync.presence import PresenceNews
from homeserver.sync.sync import LazyMembers, Syncer
from homeserver.sync.unread import UnreadNews
from homeserver.sync.unwanted_invites import UnwantedInvites


class TalkParts:
    """What surrounds the rooms' events: account data, typing, receipts; and /sync, which tells of it all."""

    def __init__(
        self,
        core: Core,
        rooms: RoomParts,
        presence: PresenceParts,
        account_data: AccountData,
        receipts: Receipts,
        push: PushParts,
        pushers: PusherParts,
        encryption: EncryptionParts,
        listener: EphemeralListener,
    ) -> None:
        self._presence = presence.tracker
        self.account_data = account_data
        self.receipts = receipts
        self.typing = Typing(core.journal, core.clock, listener)
        filters = Filters(core.db, core.clock, core.budget(shares.FILTERS))
        markers = ReadMarkers(
            self.receipts, self.account_data, rooms.members, rooms.lookup, pushers.reading, core.clock
        )
        presence_news = PresenceNews(presence.shared, is_on=presence.is_shown)
        unread = UnreadNews(push.unread, receipts, push.rules, core.db)
        finder = ChangeFinder(
            rooms.tails,
            self.typing,
            receipts,
            account_data,
            push.rules,
            unread,
            presence_news,
            rooms.elsewhere,
            rooms.completed,
        )
        syncer = Syncer(
            core.db,
            core.journal,
            core.waiting,
            rooms.members,
            rooms.tails,
            self.typing,
            finder,
            push.rules,
            unread,
            presence_news,
            rooms.ignored,
            UnwantedInvites(account_data),
            encryption.news,
            ElsewhereNews(rooms.elsewhere, core.db),
            rooms.partial,
            LazyMembers(core.budget(shares.LAZY_MEMBERS)),
            rooms.expiry,
            core.clock,
        )
        self._endpoints = [
            AccountDataEndpoints(account_data, rooms.heads, push.rules),
            TagEndpoints(Tags(self.account_data), rooms.heads),
            FilterEndpoints(filters),
            TypingEndpoints(self.typing, rooms.members, presence.tracker),
            ReceiptEndpoints(markers, presence.tracker),
            *presence.endpoints(core, rooms.members),
            SyncEndpoints(syncer, filters, presence.tracker, core.config.rooms.hidden_from_sync),
        ]

    def start_at(self, position: int) -> None:
        self.account_data.start_at(position)
        self.receipts.start_at(position)
        self.typing.start_at(position)

    def part(self) -> Contribution:
        forgetting = Every(
            "forgotten account data", timedelta(minutes=10), self.account_data.forget_deactivated
        )
        stale = Every("stale presence", timedelta(hours=6), self._presence.forget_stale)
        return Contribution(self._endpoints, [forgetting, stale], [self._presence.finish])
