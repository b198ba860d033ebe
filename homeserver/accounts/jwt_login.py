"""Users whom somebody else vouches for, by JSON Web Tokens.

https://element-hq.github.io/synapse/latest/jwt.html and https://www.rfc-editor.org/rfc/rfc7519
"""

import jwt

from config.login import Jwt
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.login import Proven
from homeserver.accounts.newcomers import Newcomers
from homeserver.protocol.errors import Forbidden, UserInUse
from homeserver.protocol.identifiers import UserID, new_user_id
from homeserver.protocol.json import JsonObject
from homeserver.runtime.clock import Clock

# Checked here, by the clock that everything else goes by.
_UNTIMED: jwt.types.Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}


class JwtUsers:
    """Finds the user that a token names, and makes the account where there is none."""

    def __init__(
        self,
        settings: Jwt,
        accounts: Accounts,
        newcomers: Newcomers,
        domains: LocalDomains,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._newcomers = newcomers
        self._domains = domains
        self._clock = clock

    async def user_of(self, token: str) -> Proven:
        """Raises Forbidden where the token is not good, InvalidUsername where nobody can be called so."""
        claims = self._claims(token)
        subject = claims.get(self._settings.subject_claim)
        if not isinstance(subject, str) or not subject:
            raise Forbidden("Invalid JWT: it does not name a user")
        user_id = new_user_id(subject.lower(), self._domains.default)
        account = await self._accounts.find(user_id)
        if account is not None:
            return Proven(account.user_nid, account.user_id)
        return await self._made(user_id, self._display_name(claims) or subject)

    async def _made(self, user_id: UserID, display_name: str) -> Proven:
        try:
            return Proven(await self._newcomers.add(user_id, displayname=display_name), user_id)
        except UserInUse:
            # Two first logins at once, or an old account whose name has capitals.
            account = await self._accounts.find(user_id)
            if account is None:
                raise
            return Proven(account.user_nid, account.user_id)

    def _claims(self, token: str) -> JsonObject:
        settings = self._settings
        assert settings.secret is not None, "the configuration is not accepted without it"
        assert settings.algorithm is not None, "the configuration is not accepted without it"
        try:
            claims: JsonObject = jwt.decode(
                token,
                settings.secret,
                algorithms=[settings.algorithm],
                issuer=settings.issuer,
                audience=settings.audiences or None,
                options=_UNTIMED,
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise Forbidden(f"Invalid JWT: {error}") from error
        self._check_times(claims)
        return claims

    def _check_times(self, claims: JsonObject) -> None:
        now = self._clock.seconds()
        for claim in ("exp", "nbf", "iat"):
            value = claims.get(claim, now)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise Forbidden(f"Invalid JWT: {claim} is no time")
            # RFC 7519, sections 4.1.4 to 4.1.6: not on or after exp, not before nbf; and not made in the future.
            if claim in claims and (value <= now if claim == "exp" else value > now):
                raise Forbidden(f"Invalid JWT: it is not valid now, by {claim}")

    def _display_name(self, claims: JsonObject) -> str | None:
        claim = self._settings.display_name_claim
        name = None if claim is None else claims.get(claim)
        return name if isinstance(name, str) else None
