"""The page with the terms of the server, where listeners serve the resource `consent`."""

from pathlib import Path

import msgspec
from jinja2 import TemplateNotFound

from homeserver.accounts.accounts import Accounts
from homeserver.accounts.consent import Consent
from homeserver.http.endpoint import Answer, Auth, Form, Limit, endpoint
from homeserver.templates.pages import Pages
from homeserver.templates.rendering import Templates

_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    (
        "Content-Security-Policy",
        "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)


class TermsQuery(msgspec.Struct, frozen=True):
    """`u` and `h` are a user and the signature of the link that was made for them, `v` is the version."""

    u: str = ""
    h: str = ""
    v: str | None = None


class Acceptance(Form, frozen=True):
    """The same, as the page sends it."""

    u: str = ""
    h: str = ""
    v: str = ""


class ConsentEndpoints:
    """What users agree to, in the operator's words."""

    def __init__(
        self,
        version: str | None,
        directory: Path | None,
        server_name: str,
        consent: Consent,
        accounts: Accounts,
        pages: Pages,
    ) -> None:
        self._version = version
        self._templates = None if directory is None else Templates(directory, server_name)
        self._consent = consent
        self._accounts = accounts
        self._pages = pages

    @endpoint("GET", "/_matrix/consent", auth=Auth.NONE, limit=Limit.NONE)
    async def terms(self, query: TermsQuery) -> Answer:
        """The terms, in the version that is asked for or the newest; to be accepted by whom the link is for."""
        version = query.v or self._version
        if version is None or not version.replace(".", "").isalnum():
            return self._no_terms()
        has_consented = False
        if query.u:
            user_id = self._consent.user(query.u, query.h)
            account = None if user_id is None else await self._accounts.find(user_id)
            if account is None:
                return self._wrong_link()
            has_consented = account.accepted_terms == version
        # COMPAT(synapse): its templates ask for these.
        return self._rendered(
            f"{version}.html",
            version=version,
            user=query.u,
            userhmac=query.h,
            has_consented=has_consented,
            public_version=not query.u,
        )

    @endpoint("POST", "/_matrix/consent", auth=Auth.NONE, limit=Limit.NONE)
    async def accept(self, body: Acceptance) -> Answer:
        """Notes that a user has accepted the newest terms."""
        user_id = self._consent.user(body.u, body.h)
        if user_id is None or await self._accounts.find(user_id) is None:
            return self._wrong_link()
        if self._version is None or body.v != self._version:
            return self._pages.message(
                "Newer terms", "These are not the newest terms. Open the link once more.", status=400
            )
        await self._accounts.accept_terms(user_id, self._version)
        return self._rendered("success.html")

    def _rendered(self, name: str, **values: object) -> Answer:
        if self._templates is None:
            return self._no_terms()
        try:
            text = self._templates.render(f"en/{name}", **values)
        except TemplateNotFound:
            if name == "success.html":
                return self._pages.message("Thank you", "You have accepted the terms. Go back to your app.")
            return self._no_terms()
        return Answer(200, text.encode(), _HEADERS)

    def _no_terms(self) -> Answer:
        return self._pages.message("No terms", "There are no such terms on this server.", status=404)

    def _wrong_link(self) -> Answer:
        return self._pages.message(
            "Wrong link", "This link is not good. Open the one in your app.", status=403
        )
