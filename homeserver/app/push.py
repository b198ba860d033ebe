"""What users are to be told of, and how much of it they have not read."""

from datetime import timedelta

from homeserver.account_data.contents import AccountData
from homeserver.app import shares
from homeserver.app.core import Contribution, Core
from homeserver.ephemeral.receipts import Receipts
from homeserver.push.api import NotificationEndpoints, PushRuleEndpoints
from homeserver.push.judging import Judge
from homeserver.push.notifications import Notifications
from homeserver.push.notifying import Notifying
from homeserver.push.retention import OldNotifications
from homeserver.push.rules import UserRules
from homeserver.push.rulesets import Rulesets
from homeserver.push.unread import UnreadCounts
from homeserver.runtime.tasks import Every


class PushParts:
    """What users are to be told of, and how much of it they have not read."""

    def __init__(self, core: Core, account_data: AccountData, receipts: Receipts) -> None:
        self._core = core
        self.rules = UserRules(core.db, core.journal)
        self.sources = (account_data, self.rules)
        """What users can change that has a part in what they are told of."""
        self.unread = UnreadCounts(core.db, core.journal, receipts, self.sources, core.budget(shares.UNREAD))
        judge = Judge(core.domains, Rulesets(core.budget(shares.RULESETS)))
        self.notifying = Notifying(judge, self.unread, core.domains, core.clock)

    def start_at(self, position: int) -> None:
        self.rules.start_at(position)
        self.unread.start_at(position)

    def part(self) -> Contribution:
        db, clock = self._core.db, self._core.clock
        return Contribution(
            [PushRuleEndpoints(self.rules), NotificationEndpoints(Notifications(db), clock)],
            [Every("old notifications", timedelta(days=1), OldNotifications(db, self.unread, clock).forget)],
        )
