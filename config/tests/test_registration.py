from pathlib import Path

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
