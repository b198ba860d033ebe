from pathlib import Path

import pytest

from config.tests.conftest import Configure, Mistakes


def test_it_is_closed_by_default(configure: Configure) -> None:
    registration = configure().config.registration
    assert not registration.enabled
    assert not registration.guests
    assert registration.shared_secret is None


def test_it_is_not_opened_by_accident(mistakes: Mistakes) -> None:
    assert mistakes("enable_registration: true\n") == [
        "enable_registration opens the server to everybody: if that is meant, "
        "set enable_registration_without_verification to true as well"
    ]


def test_it_can_be_opened(configure: Configure) -> None:
    text = "enable_registration: true\nenable_registration_without_verification: true\n"
    assert configure(text).config.registration.enabled


def test_the_shared_secret_can_be_in_a_file(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    loaded = configure("registration_shared_secret_path: secret\n")
    assert loaded.config.registration.shared_secret == "hush"
    assert "hush" not in repr(loaded)


def test_the_shared_secret_in_the_environment_counts_more_than_its_file(configure: Configure) -> None:
    environ = {"FOLKMOOT_REGISTRATION_SHARED_SECRET": "hush"}
    loaded = configure("registration_shared_secret_path: /nowhere\n", environ=environ)
    assert loaded.config.registration.shared_secret == "hush"


@pytest.mark.parametrize(
    "verification",
    [
        "registration_requires_token: true",
        "registrations_require_3pid: [email]\nemail: {notif_from: a@example.org}",
        "enable_registration_captcha: true\nrecaptcha_public_key: a\nrecaptcha_private_key: b",
    ],
)
def test_verification_is_enough_to_open_it(configure: Configure, verification: str) -> None:
    assert configure(f"enable_registration: true\n{verification}\n").config.registration.enabled


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "enable_registration_captcha: true",
            "enable_registration_captcha needs recaptcha_public_key and recaptcha_private_key",
        ),
        (
            "enable_registration: true\nregistrations_require_3pid: [msisdn]",
            "registrations_require_3pid names msisdn, but no phone number can be verified: remove it",
        ),
        (
            "enable_registration: true\nregistrations_require_3pid: [email]",
            "registrations_require_3pid names email, which needs email.notif_from and a mail server",
        ),
        (
            "auto_join_rooms: ['#a:x']\nautocreate_auto_join_room_preset: private_chat",
            "autocreate_auto_join_room_preset private_chat makes rooms that are by invitation: "
            "set auto_join_mxid_localpart to the user who invites",
        ),
        (
            "user_consent: {require_at_registration: true, version: 1.0}",
            "user_consent.require_at_registration needs user_consent.version and user_consent.template_dir",
        ),
        (
            "jwt_config: {enabled: true, secret: x}",
            "jwt_config.enabled needs jwt_config.secret and jwt_config.algorithm",
        ),
        (
            "email: {notif_from: a@example.org, enable_tls: false, force_tls: true}",
            "email.force_tls needs email.enable_tls to be true",
        ),
    ],
)
def test_what_does_not_go_together(mistakes: Mistakes, text: str, problem: str) -> None:
    assert mistakes(f"{text}\n") == [problem]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("auto_join_rooms: ['welcome']", "auto_join_rooms[0]"),
        ("email: {notif_from: Nobody}", "email.notif_from"),
        ("user_consent: {version: [1]}", "user_consent.version"),
        ("jwt_config: {algorithm: none}", "jwt_config.algorithm"),
    ],
)
def test_what_makes_no_sense(mistakes: Mistakes, text: str, key: str) -> None:
    (problem,) = mistakes(f"{text}\n")
    assert key in problem


def test_versions_of_terms_may_look_like_numbers(configure: Configure) -> None:
    assert configure("user_consent: {version: 1.0}\n").config.terms.version == "1.0"


def test_ports_of_mail_servers(configure: Configure) -> None:
    assert configure().config.email.port == 25
    assert configure("email: {force_tls: true}\n").config.email.port == 465
    assert configure("email: {smtp_port: 587}\n").config.email.port == 587
