"""Ways to log in besides a password."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from config.kinds import Duration, Secret
from config.option import option

Algorithm = Literal[
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES256K",
    "ES384",
    "ES512",
    "EdDSA",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTokens:
    """Signing in on a new device by one that is signed in already."""

    enabled: bool = option(False, "Whether users can do so.", key="login_via_existing_session.enabled")
    require_ui_auth: bool = option(
        True,
        "Whether they must prove once more who they are.",
        key="login_via_existing_session.require_ui_auth",
    )
    timeout: Duration = option(
        timedelta(minutes=5),
        "How long the new device has time.",
        key="login_via_existing_session.token_timeout",
        minimum=timedelta(seconds=1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwt:
    """Logging in with JSON Web Tokens; users who have no account get one."""

    enabled: bool = option(False, "Whether users can do so.", key="jwt_config.enabled")
    secret: Secret = option(
        None,
        "The secret (HS…) or the public key as PEM (RS…, PS…, ES…, EdDSA) that tokens are checked with.",
        key="jwt_config.secret",
        secret=True,
    )
    algorithm: Algorithm | None = option(None, "How tokens are signed.", key="jwt_config.algorithm")
    subject_claim: str = option(
        "sub", "The claim that holds the localpart of the user.", key="jwt_config.subject_claim"
    )
    display_name_claim: str | None = option(
        None, "The claim that holds the display name of new users.", key="jwt_config.display_name_claim"
    )
    issuer: str | None = option(None, "What the claim `iss` must be.", key="jwt_config.issuer")
    audiences: tuple[str, ...] = option(
        (), "Of these the claim `aud` must name one; needed where tokens have it.", key="jwt_config.audiences"
    )

    def conflicts(self) -> Iterator[str]:
        if self.enabled and (self.secret is None or self.algorithm is None):
            yield "jwt_config.enabled needs jwt_config.secret and jwt_config.algorithm"
