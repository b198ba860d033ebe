"""Client API: pages of interactive authentication and of single sign-on.

https://spec.matrix.org/v1.19/client-server-api/#fallback
"""

from collections.abc import Mapping

import msgspec

from homeserver.accounts.fallback import StagePage
from homeserver.accounts.interactive_auth import InteractiveAuth
from homeserver.http.endpoint import Answer, Auth, Form, Limit, endpoint
from homeserver.protocol.errors import MatrixError
from homeserver.templates.pages import Pages

_PAGE = "/_matrix/client/(v3|r0)/auth/{auth_type}/fallback/web"
_NOT_HERE = {
    "m.login.sso": "Single sign-on is not set up on this server.",
    "m.oauth": "This server has no account management page for this.",
    "m.login.email.identity": "Open the link in the e-mail that was sent to you, then go back to your app.",
}
_UNKNOWN = "Your app can do this by itself, or this server does not know it."


class FallbackQuery(msgspec.Struct, frozen=True):
    session: str = ""


class FallbackForm(Form, frozen=True):
    session: str = ""
    token: str = ""
    captcha: str = msgspec.field(name="g-recaptcha-response", default="")


class FallbackEndpoints:
    """For stages that a client cannot show; it opens them in a browser."""

    def __init__(
        self, interactive_auth: InteractiveAuth, stages: Mapping[str, StagePage], pages: Pages
    ) -> None:
        self._interactive_auth = interactive_auth
        self._stages = stages
        self._pages = pages

    @endpoint("GET", _PAGE, auth=Auth.NONE, limit=Limit.NONE)
    async def page(self, auth_type: str, query: FallbackQuery) -> Answer:
        """Shows a stage of interactive authentication."""
        stage = self._stages.get(auth_type)
        if stage is None:
            return self._pages.message("Not here", _NOT_HERE.get(auth_type, _UNKNOWN), status=404)
        try:
            await self._interactive_auth.check_session(query.session)
        except MatrixError as error:
            return self._failed(error)
        return self._shown(stage, query.session)

    @endpoint("POST", _PAGE, auth=Auth.NONE, limit=Limit.REGISTRATION_TOKEN_VALIDITY)
    async def submit(self, auth_type: str, body: FallbackForm) -> Answer:
        """Goes through a stage of interactive authentication."""
        stage = self._stages.get(auth_type)
        if stage is None:
            return self._pages.message("Not here", _UNKNOWN, status=404)
        auth = {"token": body.token, "response": body.captcha}
        try:
            await self._interactive_auth.check_session(body.session)
        except MatrixError as error:
            return self._failed(error)
        try:
            await self._interactive_auth.complete(body.session, stage.stage, auth)
        except MatrixError as error:
            return self._shown(stage, body.session, error)
        return self._pages.page("auth_success.html")

    def _shown(self, page: StagePage, session: str, error: MatrixError | None = None) -> Answer:
        return self._pages.page(
            page.template,
            status=200 if error is None else error.status,
            trusted=page.trusted,
            session=session,
            error=error or "",
            **page.values(),
        )

    def _failed(self, error: MatrixError) -> Answer:
        return self._pages.message("This did not work", str(error), status=error.status)


class SsoQuery(msgspec.Struct, frozen=True):
    redirect_url: str = msgspec.field(name="redirectUrl")


class SsoEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#sso-client-loginauthentication"""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    @endpoint("GET", "/_matrix/client/(v3|r0)/login/sso/redirect", auth=Auth.NONE, limit=Limit.NONE)
    async def redirect(self, query: SsoQuery) -> Answer:
        """Leads to where users sign in."""
        return self._nowhere()

    @endpoint("GET", "/_matrix/client/(v3|r0)/login/sso/redirect/{idp_id}", auth=Auth.NONE, limit=Limit.NONE)
    async def redirect_to(self, idp_id: str, query: SsoQuery) -> Answer:
        """Leads to where users of one identity provider sign in."""
        return self._nowhere()

    def _nowhere(self) -> Answer:
        text = "Single sign-on is not set up on this server. Go back to your app and sign in another way."
        return self._pages.message("No single sign-on", text, status=404)
