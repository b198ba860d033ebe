"""Whom notifications are brought, and how."""

import hmac
from datetime import timedelta
from functools import partial

from homeserver.accounts.accounts import Accounts
from homeserver.app import shares
from homeserver.app.core import Contribution, Core, outbound_to_anybody
from homeserver.app.memberships import MembershipParts
from homeserver.app.push import PushParts
from homeserver.email.mailer import Mailer
from homeserver.email.smtp import SmtpSender
from homeserver.protocol.signing import SigningKey
from homeserver.push.notifications import Notifications
from homeserver.push.pushers.alerts import OwedAlerts
from homeserver.push.pushers.api import PusherEndpoints, UnsubscribeEndpoints, UserPusherEndpoints
from homeserver.push.pushers.badges import Badges
from homeserver.push.pushers.carrier import Carrier, PusherKind
from homeserver.push.pushers.contents import Contents
from homeserver.push.pushers.distribution import Distribution
from homeserver.push.pushers.gateway import GatewayCarrier
from homeserver.push.pushers.invitations import invited
from homeserver.push.pushers.line import Line, Surroundings
from homeserver.push.pushers.lines import Lines, MakeLine
from homeserver.push.pushers.mail import NotificationMail, UnsubscribeLinks
from homeserver.push.pushers.mail_line import MailLine, Throttles
from homeserver.push.pushers.mailboxes import MailboxesOfNewcomers, MailboxKind
from homeserver.push.pushers.news import PushNews
from homeserver.push.pushers.places import AT_ONCE, PlaceTurns
from homeserver.push.pushers.reading_elsewhere import ReadingElsewhere
from homeserver.push.pushers.recipients import Recipients
from homeserver.push.pushers.registering import Pushers
from homeserver.push.pushers.web_push import VapidKey, WebPushCarrier
from homeserver.push.store.pushers import EMAIL, GATEWAY, WEB_PUSH, Pusher
from homeserver.runtime.tasks import Every
from homeserver.templates.pages import Pages
from homeserver.templates.rendering import Templates


class PusherParts:
    """Whom notifications are brought, and how."""

    def __init__(
        self, core: Core, memberships: MembershipParts, push: PushParts, signing_key: SigningKey
    ) -> None:
        self._core = core
        self._settings = core.config.push
        db, journal, clock, randomness = core.db, core.journal, core.clock, core.around.randomness
        self._badges = Badges(push.unread, memberships.members, memberships.invitations, self._settings)
        self._owed = OwedAlerts(Notifications(db), invited, db, clock)
        self._templates = Templates(core.config.templates.directory, core.domains.default)
        secret = hmac.digest(signing_key.seed, b"unsubscribe", "sha256")
        self._links = UnsubscribeLinks(secret, core.config.server.base_url)
        self._throttles = Throttles(db, clock)
        server = core.config.server
        self.vapid = VapidKey(server.public_baseurl or f"https://{server.server_name}", db, randomness)

        kinds: dict[str, PusherKind] = {}
        makers: dict[str, MakeLine] = {}
        contents = Contents(include_content=self._settings.include_content)
        self._outbound = outbound_to_anybody(core.config, core.around, AT_ONCE)
        turns = PlaceTurns(clock)
        gateways = GatewayCarrier(self._outbound, contents, turns, self._settings, clock)
        browsers = WebPushCarrier(self._outbound, contents, turns, self.vapid, clock, randomness)
        kinds[GATEWAY], makers[GATEWAY] = gateways, partial(self._line, gateways)
        kinds[WEB_PUSH], makers[WEB_PUSH] = browsers, partial(self._line, browsers)
        if core.config.email.enable_notifs:
            kinds[EMAIL], makers[EMAIL] = MailboxKind(db), partial(self._mail_line, self._mail())

        budget = core.budget(shares.RECIPIENTS)
        recipients = Recipients(db, push.sources, budget)
        lines = Lines(makers, recipients, self._settings, journal, core.waiting, db, clock, randomness)
        self._distribution = Distribution(lines, recipients, journal, db, clock, budget // 10)
        self.news = PushNews(recipients, self._distribution, is_on=self._settings.enabled)
        self.reading = ReadingElsewhere(lines, self._distribution, recipients)
        self.pushers = Pushers(kinds, lines, db, clock, randomness)
        self.mailboxes = MailboxesOfNewcomers(self.pushers, db)
        """Of those who register; only where the operator wants it so."""

    def start_at(self, position: int) -> None:
        if self._settings.enabled:
            self._distribution.start_at(position)

    def part(self, accounts: Accounts) -> Contribution:
        pages = Pages(self._templates, self._core.around.randomness)
        tasks = [
            Every("ended pushers", timedelta(hours=1), self.pushers.remove_ended),
            Every("rooms in e-mails", timedelta(days=1), self._throttles.forget_old),
        ]
        if self._settings.enabled:
            tasks.append(Every("numbers on apps", timedelta(seconds=1), self.reading.tell))
            tasks.append(Every("missed notifications", timedelta(minutes=1), self._distribution.look_again))
        return Contribution(
            [
                PusherEndpoints(self.pushers),
                UserPusherEndpoints(self.pushers, accounts, self._core.domains),
                UnsubscribeEndpoints(self.pushers, self._links, pages),
            ],
            tasks,
            [self._distribution.stop, self._outbound.close],
        )

    def _line(self, carrier: Carrier, pusher: Pusher, position: int, around: Surroundings) -> Line:
        clock, randomness = self._core.clock, self._core.around.randomness
        return Line(pusher, position, around, carrier, self._owed, self._badges, clock, randomness)

    def _mail(self) -> NotificationMail:
        core, email = self._core, self._core.config.email
        post = SmtpSender(email, core.around.reactor)
        mailer = Mailer(
            email, self._templates, post, core.clock, core.around.randomness, core.domains.default
        )
        return NotificationMail(mailer, self._links, email, include_content=self._settings.include_content)

    def _mail_line(
        self, mail: NotificationMail, pusher: Pusher, position: int, around: Surroundings
    ) -> MailLine:
        delay = self._core.config.email.delay_before_mail
        return MailLine(pusher, position, around, mail, self._owed, self._throttles, delay, self._core.clock)
