"""How passwords are kept, and which are good enough."""

from dataclasses import dataclass
from typing import Literal

from config.kinds import Secret
from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """The password policy (MSC2000)."""

    enabled: bool = option(False, "Whether the other rules apply.")
    minimum_length: int = option(0, "Characters.", minimum=0)
    require_digit: bool = option(False, "Whether a digit is needed.")
    require_symbol: bool = option(False, "Whether something that is neither letter nor digit is needed.")
    require_lowercase: bool = option(False, "Whether a lower-case letter is needed.")
    require_uppercase: bool = option(False, "Whether an upper-case letter is needed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """Passwords are hashed with argon2id; bcrypt hashes that were imported stay valid."""

    enabled: Literal[True, False, "only_for_reauth"] = option(
        True,
        "Whether passwords are accepted; with `only_for_reauth` only to confirm sensitive actions.",
        key="password_config.enabled",
    )
    local: bool = option(
        True, "Whether passwords kept by this server are accepted.", key="password_config.localdb_enabled"
    )
    pepper: Secret = option(
        None,
        "Added to every password before it is hashed. Changing it makes all passwords invalid.",
        key="password_config.pepper",
        secret=True,
    )
    policy: PasswordPolicy = option(
        PasswordPolicy(), "What new passwords must look like.", key="password_config.policy"
    )
    bcrypt_rounds: int = option(
        12,
        "Each step doubles the work of checking a password; 12 stands for argon2id's usual cost.",
        minimum=4,
        maximum=31,
    )

    @property
    def for_login(self) -> bool:
        return self.local and self.enabled is True

    @property
    def for_reauth(self) -> bool:
        return self.local and self.enabled is not False
