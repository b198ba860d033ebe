"""The stages that lead to an account, as the operator wants them.

https://spec.matrix.org/v1.19/client-server-api/#legacy-account-registration
"""

from collections.abc import Sequence
from dataclasses import dataclass

from config.registration import Registration
from homeserver.accounts.interactive_auth import Flow
from homeserver.accounts.stages import (
    DummyStage,
    EmailStage,
    RecaptchaStage,
    RegistrationTokenStage,
    TermsStage,
)


@dataclass(frozen=True, slots=True)
class RegistrationStages:
    """Those that there can be; None for what is not set up, or not wanted."""

    token: RegistrationTokenStage
    recaptcha: RecaptchaStage | None = None
    terms: TermsStage | None = None
    email: EmailStage | None = None


def registration_flows(settings: Registration, stages: RegistrationStages) -> Sequence[Flow]:
    """What everybody goes through, and after it either nothing more or the proof of an e-mail address.

    "Nothing more" is `m.login.dummy`, as otherwise those who want to give an address would be done before.
    """
    asked = [stage for stage in (stages.recaptcha, stages.terms) if stage is not None]
    everybody = [stages.token, *asked] if settings.requires_token else asked
    flows: list[Flow] = []
    if not settings.requires_email:
        flows.append([*everybody, DummyStage()])
    if stages.email is not None:
        flows.append([*everybody, stages.email])
    if settings.requires_email and settings.token_3pid_bypass:
        flows.append([stages.token, *asked, DummyStage()])
    return flows
