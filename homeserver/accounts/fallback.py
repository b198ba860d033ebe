"""Stages of interactive authentication as pages, for clients that do not know them.

https://spec.matrix.org/v1.19/client-server-api/#fallback
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from homeserver.accounts.interactive_auth import Stage
from homeserver.accounts.registration_flows import RegistrationStages

# https://developers.google.com/recaptcha/docs/faq#im-using-content-security-policy-csp-on-my-website.-how-can-i-configure-it-to-work-with-recaptcha
_GOOGLE = ("https://www.recaptcha.net", "https://www.google.com", "https://www.gstatic.com")


@dataclass(frozen=True, slots=True)
class StagePage:
    """How a stage looks: its template with `values`, and the origins of scripts that it needs."""

    stage: Stage
    template: str
    values: Callable[[], Mapping[str, object]] = dict
    trusted: tuple[str, ...] = ()


def stage_pages(stages: RegistrationStages) -> Mapping[str, StagePage]:
    """By the types of their stages."""
    pages = [StagePage(stages.token, "registration_token.html")]
    if stages.terms is not None:
        terms = stages.terms
        pages.append(StagePage(terms, "terms.html", lambda: {"policies": [terms.policy]}))
    if stages.recaptcha is not None:
        recaptcha = stages.recaptcha
        pages.append(
            StagePage(recaptcha, "recaptcha.html", lambda: {"public_key": recaptcha.public_key}, _GOOGLE)
        )
    return {page.stage.type: page for page in pages}
