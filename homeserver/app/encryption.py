"""End-to-end encryption: what devices tell each other, and of themselves."""

from datetime import timedelta

from homeserver.accounts.reauthentication import Reauthentication
from homeserver.app import shares
from homeserver.app.core import Contribution, Core
from homeserver.app.memberships import MembershipParts
from homeserver.e2ee.api.backup import BackupKeyEndpoints, BackupVersionEndpoints
from homeserver.e2ee.api.cross_signing import CrossSigningEndpoints
from homeserver.e2ee.api.dehydration import DehydrationEndpoints
from homeserver.e2ee.api.keys import KeyChangesEndpoints, KeyEndpoints
from homeserver.e2ee.api.to_device import ToDeviceEndpoints
from homeserver.e2ee.cross_signing import CrossSigning
from homeserver.e2ee.dehydration import DehydratedDevices
from homeserver.e2ee.device_list_news import ComingsAndGoings, DeviceListNews
from homeserver.e2ee.device_lists import DeviceLists, ListChangeListener
from homeserver.e2ee.ended import DeviceWatch
from homeserver.e2ee.key_backup import KeyBackup
from homeserver.e2ee.key_cache import KeyCache
from homeserver.e2ee.key_claims import KeyClaims
from homeserver.e2ee.key_lookup import KeyLookup
from homeserver.e2ee.key_stock import KeyStock
from homeserver.e2ee.key_upload import KeyUpload
from homeserver.e2ee.remote import OtherServers
from homeserver.e2ee.signature_upload import SignatureUpload
from homeserver.e2ee.to_device import MessageListener, ToDevice
from homeserver.runtime.tasks import Every
from homeserver.sync.encryption import EncryptionNews


class EncryptionParts:
    """End-to-end encryption: what devices tell each other, and of themselves."""

    def __init__(
        self,
        core: Core,
        memberships: MembershipParts,
        others: OtherServers,
        list_listener: ListChangeListener,
        message_listener: MessageListener,
    ) -> None:
        self._core = core
        db, journal, clock, domains = core.db, core.journal, core.clock, core.domains
        self.moves = ComingsAndGoings()
        cache = KeyCache(core.budget(shares.PUBLISHED_KEYS))
        self.lists = DeviceLists(journal, memberships.members, cache, list_listener, clock)
        self._list_news = DeviceListNews(self.lists, self.moves, memberships.completed)
        self._stock = KeyStock(db, journal, core.budget(shares.KEY_STOCK))
        self.to_device = ToDevice(
            db, journal, domains, others, message_listener, clock, core.budget(shares.INBOXES)
        )
        self.claims = KeyClaims(db, self._stock, domains, others, clock)
        self.watch = DeviceWatch(db, self.lists, clock)
        self.news = EncryptionNews(db, self.to_device, self._list_news, self._stock)
        self._signatures = SignatureUpload(db, self.lists, core.users, domains, others)
        self.lookup = KeyLookup(db, cache, domains, others)
        upload = KeyUpload(self.lists, self._stock)
        backup = KeyBackup(db)
        self._endpoints = [
            KeyEndpoints(upload, self.lookup, self.claims),
            KeyChangesEndpoints(self._list_news, memberships.members, journal, db),
            ToDeviceEndpoints(self.to_device),
            BackupVersionEndpoints(backup),
            BackupKeyEndpoints(backup),
            DehydrationEndpoints(DehydratedDevices(db, journal, self.lists)),
        ]

    def start_at(self, position: int) -> None:
        self.moves.start_at(position)
        self.lists.start_at(position)
        self._stock.start_at(position)
        self.to_device.start_at(position)

    def part(self, reauthentication: Reauthentication) -> Contribution:
        cross_signing = CrossSigning(self._core.db, self.lists)
        return Contribution(
            [*self._endpoints, CrossSigningEndpoints(cross_signing, self._signatures, reauthentication)],
            [
                Every("claimed keys", timedelta(days=1), self.claims.forget_claimed),
                Every("received messages", timedelta(seconds=1), self.to_device.delete_received),
                Every("requests to devices", timedelta(hours=1), self.to_device.forget_requests),
                Every("keys of ended devices", timedelta(hours=1), self.watch.clean_up),
            ],
            [self.to_device.delete_received],
        )
