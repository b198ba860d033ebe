"""Who may make an account."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from config.kinds import Kind, Secret, parse_text
from config.option import option
from config.reading import Place, Unfit

Preset = Literal["public_chat", "private_chat", "trusted_private_chat"]


def _parse_alias(value: Any, place: Place) -> str:
    alias = parse_text(value, place)
    if not alias.startswith("#") or ":" not in alias:
        raise Unfit("must be a room alias such as #welcome:example.org")
    return alias


Alias = Annotated[str, Kind("a room alias", _parse_alias)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Registration is closed unless it is opened here; `folkmoot user add` makes accounts in any case."""

    enabled: bool = option(False, "Whether anybody may register.", key="enable_registration")
    without_verification: bool = option(
        False,
        "Whether they may do so without proof of being human or invited: an e-mail address, a reCAPTCHA, a token.",
        key="enable_registration_without_verification",
    )
    shared_secret: Secret = option(
        None,
        "Whoever knows it may make accounts, administrators included, at `/_synapse/admin/v1/register`.",
        key="registration_shared_secret",
        secret=True,
    )
    guests: bool = option(False, "Whether guests may come in without an account.", key="allow_guest_access")
    requires_token: bool = option(
        False,
        "Whether a registration token is needed; `folkmoot user token` makes one.",
        key="registration_requires_token",
    )
    requires_3pid: tuple[Literal["email", "msisdn"], ...] = option(
        (), "What those who register must prove to have.", key="registrations_require_3pid"
    )
    token_3pid_bypass: bool = option(
        False,
        "Whether a registration token stands in for what `registrations_require_3pid` asks for.",
        key="enable_registration_token_3pid_bypass",
    )
    disable_msisdn: bool = option(
        False,
        "Whether phone numbers are left out of registration; so they are in any case, as no messages are sent.",
        key="disable_msisdn_registration",
    )
    captcha: bool = option(
        False, "Whether those who register must solve a reCAPTCHA.", key="enable_registration_captcha"
    )
    recaptcha_public_key: str | None = option(None, "The site key of reCAPTCHA.")
    recaptcha_private_key: Secret = option(None, "The secret key of reCAPTCHA.", secret=True)
    recaptcha_siteverify_api: str = option(
        "https://www.recaptcha.net/recaptcha/api/siteverify", "Where answers to reCAPTCHAs are verified."
    )
    inhibit_user_in_use_error: bool = option(
        False, "Whether it is told only at the end of registration that a user name is taken."
    )
    allow_underscore_prefixed_localpart: bool = option(
        False, "Whether user names may begin with `_`, which bridges use."
    )

    @property
    def requires_email(self) -> bool:
        return "email" in self.requires_3pid

    def conflicts(self) -> Iterator[str]:
        # COMPAT(synapse): an open server must be meant to be open, as spammers find it within hours.
        verified = self.requires_token or self.requires_3pid or self.captcha
        if self.enabled and not self.without_verification and not verified:
            yield (
                "enable_registration opens the server to everybody: if that is meant, "
                "set enable_registration_without_verification to true as well"
            )
        if self.captcha and not (self.recaptcha_public_key and self.recaptcha_private_key):
            yield "enable_registration_captcha needs recaptcha_public_key and recaptcha_private_key"
        if self.enabled and "msisdn" in self.requires_3pid:
            yield "registrations_require_3pid names msisdn, but no phone number can be verified: remove it"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoJoin:
    """Where new users find themselves."""

    rooms: tuple[Alias, ...] = option((), "Rooms that new users join.", key="auto_join_rooms")
    for_guests: bool = option(True, "Whether guests join them too.", key="auto_join_rooms_for_guests")
    autocreate: bool = option(
        True, "Whether those that do not exist are made.", key="autocreate_auto_join_rooms"
    )
    federated: bool = option(
        True, "Whether users of other servers may join them.", key="autocreate_auto_join_rooms_federated"
    )
    preset: Preset = option("public_chat", "How they are made.", key="autocreate_auto_join_room_preset")
    localpart: str | None = option(
        None,
        "The user who makes them, and invites to them where they are by invitation.",
        key="auto_join_mxid_localpart",
        default_text="the first user who joins makes them",
    )

    def conflicts(self) -> Iterator[str]:
        if self.rooms and self.autocreate and self.preset != "public_chat" and self.localpart is None:
            yield (
                f"autocreate_auto_join_room_preset {self.preset} makes rooms that are by invitation: "
                "set auto_join_mxid_localpart to the user who invites"
            )


def _parse_version(value: Any, _: Place) -> str:
    # Versions such as 1.0 are numbers in YAML.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unfit("must be text")
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What users agree to; served at `/_matrix/consent` by listeners with the resource `consent`."""

    version: Annotated[str | None, Kind("text", _parse_version, nullable=True)] = option(
        None, "The version that is asked for now; without one there are no terms.", key="user_consent.version"
    )
    template_dir: str | None = option(
        None,
        "A directory with the terms as Jinja templates, `LANGUAGE/VERSION.html`, such as `en/1.0.html`.",
        key="user_consent.template_dir",
    )
    at_registration: bool = option(
        False, "Whether new users must accept them.", key="user_consent.require_at_registration"
    )
    policy_name: str = option("Privacy Policy", "What they are called.", key="user_consent.policy_name")
    block_events_error: str | None = option(
        None,
        "What is told to users who have not accepted them; such users can only read. "
        "`%(consent_uri)s` stands for where they accept them. Null asks nobody but new users.",
        key="user_consent.block_events_error",
    )

    def conflicts(self) -> Iterator[str]:
        if self.version is not None and self.template_dir is not None:
            return
        wanted = {
            "require_at_registration": self.at_registration,
            "block_events_error": self.block_events_error,
        }
        for name, is_wanted in wanted.items():
            if is_wanted:
                yield f"user_consent.{name} needs user_consent.version and user_consent.template_dir"
