"""The heart of the house, with what other parts ask of it."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from homeserver.account_data.contents import AccountData
from homeserver.accounts.identity_servers import IdentityServers
from homeserver.accounts.profiles import Profiles
from homeserver.accounts.reserved_names import ReservedNames
from homeserver.app import shares
from homeserver.app.core import Contribution, Core
from homeserver.app.memberships import MembershipParts
from homeserver.app.read_models import read_models
from homeserver.protocol.identifiers import RoomID
from homeserver.protocol.signing import EventSigner, SigningKey
from homeserver.rooms.alias_lookup import AliasLookup
from homeserver.rooms.aliases import Aliases
from homeserver.rooms.api.creation import RoomCreationEndpoints
from homeserver.rooms.api.directory import DirectoryEndpoints
from homeserver.rooms.api.membership import MembershipEndpoints
from homeserver.rooms.api.peeking import PeekingEndpoints
from homeserver.rooms.api.previews import PreviewEndpoints
from homeserver.rooms.api.public_rooms import PublicRoomsEndpoints
from homeserver.rooms.api.reading import RoomReadingEndpoints
from homeserver.rooms.api.related import ContextEndpoints, RelationEndpoints
from homeserver.rooms.api.sending import SendEndpoints
from homeserver.rooms.api.upgrade import UpgradeEndpoints
from homeserver.rooms.appends import Projection, RoomAppends
from homeserver.rooms.asked_of_services import MadeOnDemand
from homeserver.rooms.auto_join import AutoJoiner
from homeserver.rooms.children import RelatedEvents
from homeserver.rooms.context import Contexts
from homeserver.rooms.create import RoomCreator
from homeserver.rooms.descriptions import Descriptions
from homeserver.rooms.directory import Directory
from homeserver.rooms.elsewhere import ElsewhereListener, RoomsElsewhere
from homeserver.rooms.event_lookup import EventLookup
from homeserver.rooms.expiry import ExpiredMessages, Expiry, Forgetting
from homeserver.rooms.following import Following, RoomSettings
from homeserver.rooms.guests import GuestDepartures
from homeserver.rooms.hierarchy import Hierarchies
from homeserver.rooms.history import History
from homeserver.rooms.ignored import IgnoredUsers
from homeserver.rooms.ingest import Ingest
from homeserver.rooms.inhabitants import Inhabitants
from homeserver.rooms.invited_addresses import InvitedAddresses
from homeserver.rooms.inviting import Inviting
from homeserver.rooms.joining import Joining
from homeserver.rooms.local_state import StateSetter
from homeserver.rooms.member_lists import MemberLists
from homeserver.rooms.membership import BindingRooms, MembershipChanges
from homeserver.rooms.missing_history import MissingHistory
from homeserver.rooms.new_rooms import NewRooms
from homeserver.rooms.partial import PartialRooms
from homeserver.rooms.peeking import Peeking
from homeserver.rooms.previews import Previews
from homeserver.rooms.previews_elsewhere import RemotePreviews
from homeserver.rooms.profile_news import ProfileNews
from homeserver.rooms.public_rooms import PublishedRooms
from homeserver.rooms.receive import EventReceiver
from homeserver.rooms.redactions import RedactionMarks, Redactor
from homeserver.rooms.rejudging import Rejudging
from homeserver.rooms.related_redactions import RelatedRedactions
from homeserver.rooms.relation_rules import RelationRules
from homeserver.rooms.relations import Relations
from homeserver.rooms.remote import OtherServers
from homeserver.rooms.remote_memberships import RemoteMemberships
from homeserver.rooms.replays import Replays
from homeserver.rooms.retention import RedactedContent
from homeserver.rooms.send import EventBuilder, EventSender
from homeserver.rooms.space_children import SpaceChildren
from homeserver.rooms.space_contents import SpaceContents
from homeserver.rooms.space_trees import SpaceTrees
from homeserver.rooms.spaces_elsewhere import SpacesElsewhere
from homeserver.rooms.state import RoomStates
from homeserver.rooms.store.spans import Slot
from homeserver.rooms.store.transactions import delete_transactions
from homeserver.rooms.tails import Tails
from homeserver.rooms.third_party_invites import InvitingServers, ThirdPartyInvites
from homeserver.rooms.timeline import Timelines
from homeserver.rooms.told_elsewhere import RemoteRooms
from homeserver.rooms.tying import BranchTying
from homeserver.rooms.upgrade import RoomUpgrade
from homeserver.rooms.view import RoomViews
from homeserver.runtime.locks import KeyedLocks
from homeserver.runtime.tasks import Every
from homeserver.storage.dictionary import Dictionary

_SHORT_IDS = 50_000


class RoomParts:
    """The heart of the house, with what other parts ask of it."""

    def __init__(
        self,
        core: Core,
        memberships: MembershipParts,
        profiles: Profiles,
        identity_servers: IdentityServers,
        inviting_servers: InvitingServers,
        others: OtherServers,
        told: RemoteRooms,
        account_data: AccountData,
        reserved: ReservedNames,
        on_demand: MadeOnDemand,
        signing_key: SigningKey,
        projections_before_members: Sequence[Projection],
        remembering: Sequence[Projection],
        member_projections: Sequence[Projection],
        projections: Sequence[Projection],
        room_settings: Sequence[RoomSettings],
        forgetting: Sequence[Forgetting],
        binding: BindingRooms,
        elsewhere: Sequence[ElsewhereListener],
    ) -> None:
        """`projections` are those of other parts, as are `room_settings` and what is `forgetting`.

        Those that are `remembering` are told of history, too.
        """
        self._core = core
        db, clock = core.db, core.clock
        self.heads, self.members = memberships.heads, memberships.members
        self.completed = memberships.completed
        self.tails = Tails(core.budget(shares.TAILS))
        self._member_lists = MemberLists(db, core.budget(shares.MEMBER_LISTS))
        self._space_contents = SpaceContents(db, core.budget(shares.SPACE_CONTENTS))
        self.lookup = EventLookup(self.heads, db)
        self.elsewhere = RoomsElsewhere(
            core.users, core.domains, memberships.invitations, elsewhere, core.journal, db, clock
        )
        self._redacted_content = redacted = RedactedContent(
            db, clock, core.config.rooms.redaction_retention_period
        )
        self.expiry = Expiry(core.config.retention, clock)
        relations = Relations()
        self._expired = ExpiredMessages(db, clock, self.expiry, self.tails, [relations, *forgetting])
        replays = Replays(db, core.budget(shares.REPLAYS))
        self.published = published = PublishedRooms(db)
        marks = RedactionMarks(self.heads, self.tails)
        locks: KeyedLocks[RoomID] = KeyedLocks()
        slots = Dictionary[Slot](db, "room_slot", ("type", "state_key"), _SHORT_IDS)
        inhabitants = Inhabitants(core.domains)
        # Who is where; what was said, and all else that follows from it, is not theirs.
        of_members = [
            *projections_before_members,
            self.members,
            inhabitants,
            self._member_lists,
            *member_projections,
        ]
        self.partial = PartialRooms(
            self.heads,
            core.users,
            slots,
            locks,
            core.waiting,
            db,
            core.journal,
            self.completed,
            of_members,
            Rejudging(read_models(core.config), clock),
        )
        ingest = Ingest(
            core.journal,
            db,
            RoomAppends(
                clock,
                [
                    self.tails,
                    *projections_before_members,
                    self.members,
                    inhabitants,
                    self._member_lists,
                    self.elsewhere,
                    self.partial,
                    marks,
                    # After the marks, because what they say of redacted events counts.
                    Descriptions(),
                    SpaceChildren(),
                    self._space_contents,
                    published,
                    redacted,
                    relations,
                    self._expired,
                    replays,
                    *remembering,
                    *member_projections,
                    *projections,
                ],
            ),
            self.heads,
            core.users,
            slots,
            Dictionary[str](db, "room_event_type", ("type",), _SHORT_IDS),
            clock,
        )
        signer = EventSigner(core.domains.default, signing_key)
        self.builder = builder = EventBuilder(lambda _: signer, clock, core.around.randomness)
        self.sender = sender = EventSender(
            self.heads, replays, RelationRules(db, core.users), builder, ingest, locks
        )
        self._tying = BranchTying(sender, self.heads, db)
        self.receiver = EventReceiver(self.heads, ingest, self._tying, self.partial, db, locks)
        self.history = History(
            self.heads,
            ingest,
            self.tails,
            db,
            locks,
            [marks, self._member_lists, redacted, relations, self._expired, *remembering],
        )
        redactor = Redactor(sender, self.heads, db, core.users)
        self.directory = directory = Directory(db, clock)
        aliases = Aliases(directory, sender, self.heads, core.domains, core.config.room_directory, reserved)
        self.joining = Joining(self.heads, self.members, core.domains, db)
        limits = core.config.rate_limits
        lookup = AliasLookup(directory, others, on_demand, core.domains)
        remote = RemoteMemberships(
            others, self.elsewhere, sender, self.receiver, ingest, self.heads, core.domains, db
        )
        self.inviting = inviting = Inviting(
            account_data, core.users, core.domains, core.limiter, limits, on_demand
        )
        self.profile_news = ProfileNews(sender, self.members, profiles, db)
        following = Following(account_data, core.users, self.heads, self.members, room_settings)
        self.changes = MembershipChanges(
            sender,
            self.heads,
            self.members,
            profiles,
            self.joining,
            remote,
            self.partial,
            core.domains,
            inviting,
            following,
            binding,
            core.limiter,
            limits,
            db,
        )
        addresses = InvitedAddresses(
            identity_servers,
            self.heads,
            profiles,
            core.limiter,
            limits.third_party_invite,
            enabled=core.config.addresses.can_be_invited,
        )
        self.third_party_invites = ThirdPartyInvites(
            addresses, self.changes, sender, self.heads, self.joining, inviting_servers, core.domains
        )
        self._guests = GuestDepartures(self.changes, db)
        new_rooms = NewRooms(builder, ingest, clock, core.around.randomness)
        self.creator = creator = RoomCreator(
            new_rooms,
            profiles,
            directory,
            aliases,
            inviting,
            remote,
            addresses,
            core.domains,
            core.config.rooms.default_version,
        )
        self.auto_joiner = AutoJoiner(core.config.auto_join, self.changes, creator, directory, core.domains)
        states = StateSetter(sender, self.changes, aliases)
        self.ignored = IgnoredUsers(db, core.journal, account_data)
        self.views = views = RoomViews(self.heads, self.members, self.expiry, self.ignored, db)
        self._endpoints = [
            RoomCreationEndpoints(creator, self.members),
            MembershipEndpoints(self.changes, self.third_party_invites, lookup),
            SendEndpoints(sender, states, redactor, RelatedRedactions(redactor, self.heads, db)),
            DirectoryEndpoints(aliases, directory, lookup, views),
            UpgradeEndpoints(RoomUpgrade(new_rooms, sender, self.heads, profiles, directory, following, db)),
            self._previews(told, remote, lookup),
            PublicRoomsEndpoints(published, told, core.domains, core.config.room_directory),
            RelationEndpoints(RelatedEvents(views, db), clock),
            ContextEndpoints(Contexts(views, core.journal, db), clock),
        ]

    def _previews(
        self, told: RemoteRooms, remote: RemoteMemberships, lookup: AliasLookup
    ) -> PreviewEndpoints:
        core = self._core
        budget = core.budget(shares.ROOMS_TOLD_OF)
        previews = Previews(self.heads, self.members, core.db)
        elsewhere = RemotePreviews(told, previews, self.elsewhere, remote.is_here, core.domains)
        spaces = SpacesElsewhere(told, core.domains, core.clock, budget)
        trees = SpaceTrees(self.heads, previews, self._space_contents, elsewhere, spaces, core.db)
        hierarchies = Hierarchies(trees, self._space_contents, core.db)
        return PreviewEndpoints(previews, hierarchies, elsewhere, lookup)

    def start_at(self, position: int) -> None:
        self.tails.start_at(position)
        self.members.start_at(position)
        self.partial.start_at(position)
        self.completed.start_at(position)
        self._member_lists.start_at(position)
        self._space_contents.start_at(position)
        self.elsewhere.start_at(position)

    def part(self, missing_history: MissingHistory) -> Contribution:
        return Contribution(
            [*self._endpoints, *self._reading(missing_history)],
            [
                Every("old transaction IDs", timedelta(hours=1), self._forget_old),
                *(
                    Every("expired messages", job.interval, partial(self._expired.purge, job))
                    for job in self._core.config.retention.jobs
                ),
                Every("redacted content", timedelta(minutes=10), self._redacted_content.drop_old),
                Every("branches of rooms", timedelta(minutes=1), self._tying.tie),
                Every("completed rooms", timedelta(minutes=1), self.completed.tell),
                Every("old completed rooms", timedelta(days=1), self.completed.forget_old),
                Every("old rooms elsewhere", timedelta(days=1), self.elsewhere.forget_old),
                Every("departures", timedelta(minutes=1), self.changes.remove_deactivated),
                Every("departing guests", timedelta(seconds=10), self._guests.take_out),
                Every("profiles in rooms", timedelta(minutes=1), self.profile_news.tell),
            ],
        )

    def _reading(self, missing_history: MissingHistory) -> Sequence[object]:
        core = self._core
        states = RoomStates(self.views, self.partial, self._member_lists, core.db)
        timelines = Timelines(self.views, missing_history, core.journal, core.db)
        peeking = Peeking(states, timelines, self.directory, core.journal, core.waiting, core.clock, core.db)
        return [RoomReadingEndpoints(states, timelines, core.clock), PeekingEndpoints(peeking, core.clock)]

    async def _forget_old(self) -> None:
        day_ago = self._core.clock.now_ms() - 24 * 3600 * 1000
        await self._core.db.write(delete_transactions, day_ago)
