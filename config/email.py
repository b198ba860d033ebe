"""Sending e-mail, and addresses of users."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parseaddr
from typing import Annotated, Any, Literal

from config.kinds import Duration, FilePath, Kind, Secret, parse_text
from config.option import option
from config.reading import Place, Unfit


def _parse_sender(value: Any, place: Place) -> str:
    sender = parse_text(value, place)
    if "@" not in parseaddr(sender)[1]:
        raise Unfit("must be an e-mail address, such as `%(app)s <noreply@example.org>`")
    return sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """The server sends e-mail once `email.notif_from` is set: to confirm addresses and to reset passwords."""

    sender: Annotated[str | None, Kind("an e-mail address", _parse_sender, nullable=True)] = option(
        None, "The sender of e-mails; `%(app)s` stands for `email.app_name`.", key="email.notif_from"
    )
    app_name: str = option("Matrix", "What e-mails call this service.", key="email.app_name")
    smtp_host: str = option("localhost", "The server that takes e-mail for the world.", key="email.smtp_host")
    smtp_port: int | None = option(
        None,
        "Its port.",
        key="email.smtp_port",
        minimum=1,
        maximum=65535,
        default_text="465 with `email.force_tls`, otherwise 25",
    )
    smtp_user: str | None = option(None, "Who we are to it; null does not log in.", key="email.smtp_user")
    smtp_pass: Secret = option(None, "The password for it.", key="email.smtp_pass", secret=True)
    enable_tls: bool = option(True, "Whether STARTTLS is used where it is offered.", key="email.enable_tls")
    require_transport_security: bool = option(
        False, "Whether nothing is sent without STARTTLS.", key="email.require_transport_security"
    )
    force_tls: bool = option(False, "Whether TLS is spoken from the first byte.", key="email.force_tls")
    tls_name: str | None = option(
        None,
        "The name that its certificate must have.",
        key="email.tlsname",
        default_text="`email.smtp_host`",
    )
    validation_token_lifetime: Duration = option(
        timedelta(hours=1),
        "How long the links in e-mails are good.",
        key="email.validation_token_lifetime",
        minimum=timedelta(seconds=1),
    )
    # In subjects `%(server_name)s` and `%(app)s` stand for what they say.
    password_reset_subject: str = option(
        "[%(server_name)s] Password reset",
        "The subject of e-mails that let somebody set a new password.",
        key="email.subjects.password_reset",
    )
    validation_subject: str = option(
        "[%(server_name)s] Validate your email",
        "The subject of e-mails that confirm an address.",
        key="email.subjects.email_validation",
    )
    in_use_subject: str = option(
        "[%(server_name)s] Email already in use",
        "The subject of e-mails to an address that belongs to an account already.",
        key="email.subjects.email_already_in_use",
    )

    enable_notifs: bool = option(
        False,
        "Whether users can be told by e-mail of what they have not read.",
        key="email.enable_notifs",
    )
    notifs_for_new_users: bool = option(
        True,
        "Whether those who register with an address are, until they say otherwise.",
        key="email.notif_for_new_users",
    )
    delay_before_mail: Duration = option(
        timedelta(minutes=10),
        "How long something is unread before an e-mail tells of it.",
        key="email.notif_delay_before_mail",
        minimum=timedelta(seconds=1),
    )
    client_base_url: str | None = option(
        None,
        "Where the client is that links in these e-mails lead to.",
        key="email.client_base_url",
        aliases=("email.riot_base_url",),
        default_text="https://matrix.to",
    )
    # Here `%(person)s` and `%(room)s` are known, too.
    message_from_person_in_room_subject: str = option(
        "[%(app)s] %(person)s wrote in %(room)s",
        "The subject of e-mails about one message in a room.",
        key="email.subjects.message_from_person_in_room",
    )
    message_from_person_subject: str = option(
        "[%(app)s] %(person)s wrote to you",
        "About one message in a room without a name.",
        key="email.subjects.message_from_person",
    )
    messages_from_person_subject: str = option(
        "[%(app)s] %(person)s wrote to you several times",
        "About several of one person in a room without a name.",
        key="email.subjects.messages_from_person",
    )
    messages_in_room_subject: str = option(
        "[%(app)s] Unread messages in %(room)s",
        "About several in a room.",
        key="email.subjects.messages_in_room",
    )
    messages_in_room_and_others_subject: str = option(
        "[%(app)s] Unread messages in %(room)s and other rooms",
        "About several in several rooms.",
        key="email.subjects.messages_in_room_and_others",
    )
    messages_from_person_and_others_subject: str = option(
        "[%(app)s] Unread messages from %(person)s and others",
        "About several in several rooms of which the first has no name.",
        key="email.subjects.messages_from_person_and_others",
    )
    invite_from_person_subject: str = option(
        "[%(app)s] %(person)s invites you to a conversation",
        "About an invitation to a room without a name.",
        key="email.subjects.invite_from_person",
    )
    invite_from_person_to_room_subject: str = option(
        "[%(app)s] %(person)s invites you to %(room)s",
        "About an invitation to a room.",
        key="email.subjects.invite_from_person_to_room",
    )
    invite_from_person_to_space_subject: str = option(
        "[%(app)s] %(person)s invites you to the space %(room)s",
        "About an invitation to a space.",
        key="email.subjects.invite_from_person_to_space",
    )

    @property
    def enabled(self) -> bool:
        return self.sender is not None

    @property
    def port(self) -> int:
        return self.smtp_port or (465 if self.force_tls else 25)

    def conflicts(self) -> Iterator[str]:
        for name in ("force_tls", "require_transport_security"):
            if getattr(self, name) and not self.enable_tls:
                yield f"email.{name} needs email.enable_tls to be true"
        if self.enable_notifs and not self.enabled:
            yield "email.enable_notifs needs email.notif_from and a mail server"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedAddress:
    """Which addresses users may have."""

    medium: Literal["email", "msisdn"] = option("email", "The kind of address.")
    pattern: str = option(".*", "A regular expression that the address must match from its beginning.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """E-mail addresses by which users are known here."""

    can_change: bool = option(True, "Whether users may add and remove addresses.", key="enable_3pid_changes")
    can_be_invited: bool = option(
        True,
        "Whether users may invite others by their addresses, which identity servers of their choice look up.",
        key="enable_3pid_lookup",
    )
    allowed: tuple[AllowedAddress, ...] = option(
        (), "Addresses that users may have; empty allows all.", key="allowed_local_3pids"
    )
    inhibit_errors: bool = option(
        True,
        "Whether requests for a confirmation hide if an address belongs to an account; "
        "its owner is told by e-mail instead.",
        key="request_token_inhibit_3pid_errors",
    )
    next_link_domains: tuple[str, ...] | None = option(
        None,
        "Hosts to which a confirmed link may lead on; null allows all.",
        key="next_link_domain_whitelist",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """Pages and e-mails in one's own words."""

    directory: FilePath | None = option(
        None,
        "A directory whose files replace the Jinja templates of the same name.",
        key="templates.custom_template_directory",
    )
