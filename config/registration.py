"""Who may make an account."""

from collections.abc import Iterator
from dataclasses import dataclass

from config.kinds import Secret
from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Registration is closed unless it is opened here; `folkmoot user add` makes accounts in any case."""

    enabled: bool = option(False, "Whether anybody may register.", key="enable_registration")
    without_verification: bool = option(
        False,
        "Whether they may do so without proof of being human. Must be true where registration is open.",
        key="enable_registration_without_verification",
    )
    shared_secret: Secret = option(
        None,
        "Whoever knows it may make accounts, administrators included, at `/_synapse/admin/v1/register`.",
        key="registration_shared_secret",
        secret=True,
    )
    guests: bool = option(False, "Whether guests may come in without an account.", key="allow_guest_access")

    def conflicts(self) -> Iterator[str]:
        # COMPAT(synapse): an open server must be meant to be open, as spammers find it within hours.
        if self.enabled and not self.without_verification:
            yield (
                "enable_registration opens the server to everybody: if that is meant, "
                "set enable_registration_without_verification to true as well"
            )
