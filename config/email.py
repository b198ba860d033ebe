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
