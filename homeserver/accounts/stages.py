"""The stages of interactive authentication that this server knows.

https://spec.matrix.org/v1.19/client-server-api/#authentication-types
"""

from typing import TypeVar

import msgspec

from config.registration import Terms
from homeserver.accounts.password_login import NamedPassword, PasswordLogin
from homeserver.accounts.recaptcha import Recaptcha
from homeserver.accounts.registration_tokens import RegistrationTokens
from homeserver.accounts.validations import Purpose, Validations
from homeserver.protocol.errors import BadJson, CaptchaInvalid, CaptchaNeeded, Forbidden, Unauthorized
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, JsonValue

Shape = TypeVar("Shape")


class DummyStage:
    """Always succeeds: the way to ask for nothing."""

    type = "m.login.dummy"

    def params(self) -> JsonObject:
        return {}

    async def attempt(self, auth: JsonObject, user_id: UserID | None) -> JsonValue:
        return True


class PasswordStage:
    """The user gives their password once more. Remembers the user ID."""

    type = "m.login.password"

    def __init__(self, passwords: PasswordLogin) -> None:
        self._passwords = passwords

    def params(self) -> JsonObject:
        return {}

    async def attempt(self, auth: JsonObject, user_id: UserID | None) -> JsonValue:
        proven = await self._passwords.check(_shaped(auth, NamedPassword))
        if user_id is not None and proven.user_id != user_id:
            raise Forbidden("This is the password of another user")
        return proven.user_id


class TokenAttempt(msgspec.Struct, frozen=True):
    token: str


class RegistrationTokenStage:
    """The user was given a token. Remembers it; it counts as used when the account is made."""

    type = "m.login.registration_token"

    def __init__(self, tokens: RegistrationTokens) -> None:
        self._tokens = tokens

    def params(self) -> JsonObject:
        return {}

    async def attempt(self, auth: JsonObject, user_id: UserID | None) -> JsonValue:
        token = _shaped(auth, TokenAttempt).token
        if not await self._tokens.is_valid(token):
            raise Unauthorized("This registration token is not valid")
        return token


class TermsStage:
    """The user accepts the terms. Remembers which version they were shown."""

    type = "m.login.terms"

    def __init__(self, settings: Terms, base_url: str) -> None:
        """`base_url` ends with a slash."""
        self._settings = settings
        self._base_url = base_url

    @property
    def policy(self) -> JsonObject:
        """Its name and where it is."""
        url = f"{self._base_url}_matrix/consent?v={self._settings.version}"
        return {"name": self._settings.policy_name, "url": url}

    def params(self) -> JsonObject:
        policy = {"version": self._settings.version, "en": self.policy}
        return {"policies": {"privacy_policy": policy}}

    async def attempt(self, auth: JsonObject, user_id: UserID | None) -> JsonValue:
        return self._settings.version


class CaptchaAttempt(msgspec.Struct, frozen=True):
    response: str = ""


class RecaptchaStage:
    """The user solves a riddle that machines find hard."""

    type = "m.login.recaptcha"

    def __init__(self, recaptcha: Recaptcha, public_key: str) -> None:
        self._recaptcha = recaptcha
        self.public_key = public_key

    def params(self) -> JsonObject:
        return {"public_key": self.public_key}

    async def attempt(self, auth: JsonObject, user_id: UserID | None) -> JsonValue:
        response = _shaped(auth, CaptchaAttempt).response
        if not response:
            raise CaptchaNeeded("The answer to the reCAPTCHA is needed")
        if not await self._recaptcha.is_human(response):
            raise CaptchaInvalid("This answer to the reCAPTCHA is wrong, or too old")
        return True


class ThreepidCredentials(msgspec.Struct, frozen=True):
    sid: str
    client_secret: str


class ThreepidAttempt(msgspec.Struct, frozen=True):
    threepid_creds: ThreepidCredentials


class ProvenAddress(msgspec.Struct, frozen=True):
    """What `EmailStage` remembers."""

    sid: str
    medium: str
    address: str
    validated_at: int


class EmailStage:
    """The user has opened a link in an e-mail, which was sent for the same purpose."""

    type = "m.login.email.identity"

    def __init__(self, validations: Validations, purpose: Purpose) -> None:
        self._validations = validations
        self._purpose = purpose

    def params(self) -> JsonObject:
        return {}

    async def attempt(self, auth: JsonObject, user_id: UserID | None) -> JsonValue:
        given = _shaped(auth, ThreepidAttempt).threepid_creds
        found = await self._validations.confirmed(self._purpose, given.sid, given.client_secret)
        if found is None or found.validated_at is None:
            # Clients ask again and again until the user has opened the link.
            raise Unauthorized("The address is not confirmed yet: open the link in the e-mail")
        proven = ProvenAddress(found.sid, found.address.medium, found.address.address, found.validated_at)
        return msgspec.to_builtins(proven)


def _shaped(auth: JsonObject, shape: type[Shape]) -> Shape:
    """Raises BadJson."""
    try:
        return msgspec.convert(auth, shape)
    except msgspec.ValidationError as error:
        raise BadJson(str(error)) from error
