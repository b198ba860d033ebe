from typing import Literal

import pytest

from config.passwords import PasswordPolicy, Passwords
from config.tests.conftest import Configure


@pytest.mark.parametrize(
    ("enabled", "login", "reauth"),
    [(True, True, True), (False, False, False), ("only_for_reauth", False, True)],
)
def test_what_passwords_are_for(
    enabled: Literal[True, False, "only_for_reauth"], login: bool, reauth: bool
) -> None:
    passwords = Passwords(enabled=enabled)
    assert (passwords.for_login, passwords.for_reauth) == (login, reauth)


def test_without_passwords_of_our_own_there_are_none() -> None:
    assert not Passwords(local=False).for_reauth


def test_the_password_config_of_synapse(configure: Configure) -> None:
    passwords = configure(
        """
password_config:
  enabled: only_for_reauth
  localdb_enabled: true
  pepper: hush
  policy: {enabled: true, minimum_length: 15, require_digit: true}
"""
    ).config.passwords
    assert passwords == Passwords(
        enabled="only_for_reauth",
        pepper="hush",
        policy=PasswordPolicy(enabled=True, minimum_length=15, require_digit=True),
    )
