"""What other servers send here."""

from collections.abc import Mapping
from datetime import timedelta

from federation.api.devices import DeviceEndpoints
from federation.api.transactions import TransactionEndpoints
from federation.client.events import EventCalls
from federation.devices.served import ServedKeys
from federation.incoming.admission import Admission
from federation.incoming.edu_kinds import (
    CrossSigningEdus,
    DeviceListEdus,
    PresenceEdus,
    ReceiptEdus,
    ToDeviceEdus,
    TypingEdus,
)
from federation.incoming.edu_senders import EduSenders
from federation.incoming.edus import EduKind, Edus
from federation.incoming.history import HistoryFetcher
from federation.incoming.intake import EventIntake
from federation.incoming.outliers import Outliers
from federation.incoming.pdu_checks import PduChecks
from federation.incoming.remote_states import RemoteStates
from federation.incoming.staging import StagedRooms
from federation.incoming.transactions import Transactions
from federation.incoming.withdrawals import Withdrawals
from federation.joining.completing import Completing
from homeserver.app.core import Contribution, Core
from homeserver.app.encryption import EncryptionParts
from homeserver.app.federation import FederationParts
from homeserver.app.presence import PresenceParts
from homeserver.app.rooms import RoomParts
from homeserver.app.talk import TalkParts
from homeserver.runtime.tasks import Every, run_in_background


class IncomingParts:
    """What other servers send here."""

    def __init__(
        self,
        core: Core,
        federation: FederationParts,
        rooms: RoomParts,
        talk: TalkParts,
        presence: PresenceParts,
        encryption: EncryptionParts,
    ) -> None:
        self._core = core
        threads = core.around.make_threads("incoming events", 1)
        self._threads = threads
        calls = EventCalls(federation.transport)
        self.checks = checks = PduChecks(federation.keyring, threads)
        outliers = Outliers(rooms.heads, rooms.receiver, core.db, threads)
        states = RemoteStates(calls, checks, outliers, rooms.heads, core.db)
        self.history = HistoryFetcher(
            calls, checks, states, rooms.history, rooms.heads, core.db, core.waiting
        )
        self._completing = Completing(rooms.partial, states, core.clock)
        intake = EventIntake(rooms.receiver, states, calls, checks, rooms.heads, core.db)
        self._staged = StagedRooms(intake, rooms.receiver, rooms.heads, core.db, core.clock)
        self.admission = Admission(rooms.heads, core.db)
        self._served = ServedKeys(
            encryption.lookup,
            encryption.claims,
            core.users,
            core.domains,
            core.db,
            shows_names=core.config.federation.allow_device_names,
        )
        kinds = _edu_kinds(core, rooms, talk, presence, encryption, self.admission)
        self._transactions = Transactions(
            self.admission,
            self.checks,
            Edus(kinds),
            self._staged,
            Withdrawals(rooms.elsewhere, checks, core.domains),
            core.db,
            core.clock,
        )

    def start_at(self, _: int) -> None:
        run_in_background("events left by the last run", self._staged.wake_all())

    def part(self) -> Contribution:
        return Contribution(
            [TransactionEndpoints(self._transactions), DeviceEndpoints(self._served)],
            [
                Every("members of rooms that were joined", timedelta(seconds=2), self._completing.run),
                Every("staged events", timedelta(minutes=1), self._staged.wake_all),
                Every("old transactions", timedelta(hours=1), self._transactions.forget_old),
            ],
            [self._stop],
        )

    async def _stop(self) -> None:
        await self._staged.stop()
        self._threads.stop()


def _edu_kinds(
    core: Core,
    rooms: RoomParts,
    talk: TalkParts,
    presence: PresenceParts,
    encryption: EncryptionParts,
    admission: Admission,
) -> Mapping[str, EduKind]:
    senders = EduSenders(core.users, rooms.members)
    cross_signing = CrossSigningEdus(encryption.lists, senders)
    kinds: dict[str, EduKind] = {
        "m.typing": TypingEdus(talk.typing, senders, admission),
        "m.receipt": ReceiptEdus(talk.receipts, rooms.lookup, senders, admission),
        "m.direct_to_device": ToDeviceEdus(encryption.to_device, core.domains),
        "m.device_list_update": DeviceListEdus(encryption.lists, senders),
        "m.signing_key_update": cross_signing,
        # The same before it was in the specification.
        "org.matrix.signing_key_update": cross_signing,
    }
    if core.config.presence.enabled is True:
        kinds["m.presence"] = PresenceEdus(presence.tracker, senders, core.clock)
    return kinds
