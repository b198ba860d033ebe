"""How long users stay logged in."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from config.kinds import Duration, Secret, show_duration
from config.option import option

_SHORTEST = timedelta(milliseconds=1)
_REFRESHABLE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """A lifetime of null has no end."""

    lifetime: Duration | None = option(
        None, "After this time a user must log in again.", key="session_lifetime", minimum=_SHORTEST
    )
    refresh_token_lifetime: Duration | None = option(
        None, "How long a refresh token that is not used stays valid.", minimum=_SHORTEST
    )
    refreshable_access_token_lifetime: Duration | None = option(
        _REFRESHABLE,
        "How long an access token that came with a refresh token is valid; null hands out no refresh tokens.",
        minimum=_SHORTEST,
    )
    nonrefreshable_access_token_lifetime: Duration | None = option(
        None, "How long an access token that came without a refresh token is valid.", minimum=_SHORTEST
    )
    proof_lifetime: Duration = option(
        timedelta(0),
        "How long who has logged in, or given their password, need not give it again to remove devices, to add "
        "addresses or to replace keys; a new password and the end of an account always ask for it.",
        key="ui_auth.session_timeout",
    )
    macaroon_secret_key: Secret = option(
        None, "Signs short-lived login tokens.", secret=True, default_text="derived from the signing key"
    )
    form_secret: Secret = option(
        None, "Signs links to forms.", secret=True, default_text="derived from the signing key"
    )

    def conflicts(self) -> Iterator[str]:
        if self.lifetime is None:
            return
        for name in (
            "refresh_token_lifetime",
            "refreshable_access_token_lifetime",
            "nonrefreshable_access_token_lifetime",
        ):
            part = getattr(self, name)
            # A longer default does no harm, as the session ends first; a longer choice is a mistake.
            if part is not None and part > self.lifetime and part != _REFRESHABLE:
                yield f"{name} must not be longer than session_lifetime, {show_duration(self.lifetime)}"
