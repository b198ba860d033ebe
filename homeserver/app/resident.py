"""What other servers ask of the rooms that are here."""

from federation.api.complexity import ComplexityEndpoints
from federation.api.exchanges import ExchangeEndpoints
from federation.api.invites import InviteEndpoints
from federation.api.memberships import HandoverEndpoints, MembershipTemplateEndpoints
from federation.api.room_reading import RoomsForServersEndpoints
from federation.api.spaces import SpaceEndpoints
from federation.incoming.invites import ReceivedInvites
from federation.resident.access import ReadAccess
from federation.resident.complexity import RoomComplexity
from federation.resident.handover import Handover
from federation.resident.join_authority import JoinAuthority
from federation.resident.reading import RoomReading
from federation.resident.spaces import Spaces
from federation.resident.templates import MembershipTemplates
from homeserver.accounts.accounts import Accounts
from homeserver.app.core import Contribution, Core
from homeserver.app.federation import FederationParts
from homeserver.app.incoming import IncomingParts
from homeserver.app.rooms import RoomParts


def resident(
    core: Core,
    accounts: Accounts,
    federation: FederationParts,
    incoming: IncomingParts,
    rooms: RoomParts,
) -> Contribution:
    """What other servers ask of the rooms that are here."""
    own_name, admission = core.domains.default, incoming.admission
    authority = JoinAuthority(rooms.joining, rooms.heads, core.domains, federation.signer, core.db)
    templates = MembershipTemplates(admission, rooms.heads, rooms.builder, authority, own_name)
    handover = Handover(
        admission,
        incoming.checks,
        authority,
        rooms.receiver,
        federation.outgoing,
        rooms.heads,
        core.limiter,
        core.config.rate_limits,
        core.db,
    )
    invites = ReceivedInvites(
        admission,
        incoming.checks,
        accounts,
        rooms.inviting,
        rooms.elsewhere,
        core.domains,
        federation.signer,
    )
    return Contribution(
        [
            InviteEndpoints(invites),
            ExchangeEndpoints(rooms.third_party_invites, admission, core.domains),
            SpaceEndpoints(Spaces(admission, core.db)),
            ComplexityEndpoints(RoomComplexity(rooms.heads, core.db)),
            MembershipTemplateEndpoints(templates),
            HandoverEndpoints(handover, own_name),
            RoomsForServersEndpoints(
                RoomReading(ReadAccess(admission, core.db), core.db), own_name, core.clock
            ),
        ]
    )
