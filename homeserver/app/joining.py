"""Rooms of other servers: coming in, knocking, refusing, and inviting their users."""

from federation.client.membership import MembershipCalls
from federation.client.queries import QueryCalls
from federation.incoming.pdu_checks import PduChecks
from federation.joining.answers import JoinAnswers
from federation.joining.complexity import ComplexityLimit
from federation.joining.rooms import RoomsOfOthers
from federation.joining.templates import MemberEvents
from homeserver.app.core import Contribution, Core
from homeserver.app.federation import FederationParts
from homeserver.protocol.signing import EventSigner, SigningKey


class JoiningParts:
    """Rooms of other servers: coming in, knocking, refusing, and inviting their users."""

    def __init__(self, core: Core, federation: FederationParts, signing_key: SigningKey) -> None:
        self._threads = threads = core.around.make_threads("rooms of others", 1)
        answers = JoinAnswers(PduChecks(federation.keyring, threads), core.domains, threads)
        signer = EventSigner(core.domains.default, signing_key)
        queries = QueryCalls(federation.transport)
        self.others = RoomsOfOthers(
            MembershipCalls(federation.transport),
            queries,
            MemberEvents(signer, core.clock, core.around.randomness),
            answers,
            federation.outgoing,
            ComplexityLimit(core.config.remote_room_limit, queries, core.db),
        )

    def part(self) -> Contribution:
        return Contribution(endings=[self._close])

    async def _close(self) -> None:
        self._threads.stop()
