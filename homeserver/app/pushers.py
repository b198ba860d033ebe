"""Whom notifications are brought, and how."""

from datetime import timedelta

from homeserver.app import shares
from homeserver.app.core import Contribution, Core
from homeserver.app.memberships import MembershipParts
from homeserver.app.push import PushParts
from homeserver.push.notifications import Notifications
from homeserver.push.pushers.alerts import OwedAlerts
from homeserver.push.pushers.api import PusherEndpoints
from homeserver.push.pushers.badges import Badges
from homeserver.push.pushers.carrier import Carrier
from homeserver.push.pushers.contents import Contents
from homeserver.push.pushers.distribution import Distribution
from homeserver.push.pushers.gateway import GatewayCarrier
from homeserver.push.pushers.lines import Lines
from homeserver.push.pushers.news import PushNews
from homeserver.push.pushers.reading_elsewhere import ReadingElsewhere
from homeserver.push.pushers.recipients import Recipients
from homeserver.push.pushers.registering import Pushers
from homeserver.push.pushers.web_push import VapidKey, WebPushCarrier
from homeserver.push.store.pushers import GATEWAY, WEB_PUSH
from homeserver.runtime.tasks import Every


class PusherParts:
    """Whom notifications are brought, and how."""

    def __init__(self, core: Core, memberships: MembershipParts, push: PushParts) -> None:
        self._settings = settings = core.config.push
        db, journal, clock = core.db, core.journal, core.clock
        budget = core.budget(shares.RECIPIENTS)
        self._recipients = Recipients(db, push.sources, budget)
        randomness = core.around.randomness
        contents = Contents(include_content=settings.include_content)
        server = core.config.server
        self.vapid = VapidKey(server.public_baseurl or f"https://{server.server_name}", db, randomness)
        carriers: dict[str, Carrier] = {
            GATEWAY: GatewayCarrier(core.outbound, contents),
            WEB_PUSH: WebPushCarrier(core.outbound, contents, self.vapid, clock, randomness),
        }
        lines = Lines(
            carriers,
            OwedAlerts(Notifications(db), db, clock),
            Badges(push.unread, memberships.members, settings),
            self._recipients,
            settings,
            journal,
            core.waiting,
            db,
            clock,
            randomness,
        )
        self._distribution = Distribution(lines, self._recipients, journal, db, clock, budget // 10)
        self.news = PushNews(self._recipients, self._distribution, is_on=settings.enabled)
        self.reading = ReadingElsewhere(lines, self._recipients)
        self.pushers = Pushers(carriers, lines, db, clock, randomness)

    def start_at(self, position: int) -> None:
        if self._settings.enabled:
            self._distribution.start_at(position)

    def part(self) -> Contribution:
        tasks = [Every("ended pushers", timedelta(hours=1), self.pushers.remove_ended)]
        if self._settings.enabled:
            tasks.append(Every("numbers on apps", timedelta(seconds=1), self.reading.tell))
            tasks.append(Every("missed notifications", timedelta(minutes=1), self._distribution.look_again))
        return Contribution([PusherEndpoints(self.pushers)], tasks, [self._distribution.stop])
