from pathlib import Path

import pytest

from config.listeners import DEFAULT_LISTENERS, TcpListener
from config.tests.conftest import Configure, Mistakes


def test_the_signing_key_is_in_the_data_directory(configure: Configure, tmp_path: Path) -> None:
    assert configure().config.signing_key_path == tmp_path / "example.org.signing.key"


def test_the_signing_key_can_be_elsewhere(configure: Configure) -> None:
    assert configure("signing_key_path: /etc/key\n").config.signing_key_path == Path("/etc/key")


def test_the_metrics_port_adds_a_listener(configure: Configure) -> None:
    config = configure("metrics_port: 9000\n").config
    assert config.listeners == DEFAULT_LISTENERS
    *_, metrics = config.all_listeners
    assert metrics == TcpListener(port=9000, bind_addresses=("127.0.0.1",), type="metrics")
    assert metrics.resource_names == {"metrics"}


def test_without_metrics_port_there_is_none(configure: Configure) -> None:
    assert configure().config.all_listeners == DEFAULT_LISTENERS


@pytest.mark.parametrize("given", ["", "tls_certificate_path: a.pem\n", "tls_private_key_path: a.pem\n"])
def test_tls_needs_certificate_and_key(mistakes: Mistakes, given: str) -> None:
    assert mistakes(f"listeners: [{{port: 8448, type: http, tls: true}}]\n{given}") == [
        "a listener has tls: true, which needs tls_certificate_path and tls_private_key_path"
    ]


def test_every_conflict_is_told(mistakes: Mistakes) -> None:
    text = "enable_registration: true\nsession_lifetime: 1h\nrefresh_token_lifetime: 1d\n"
    assert [problem.split()[0] for problem in mistakes(text)] == [
        "enable_registration",
        "refresh_token_lifetime",
    ]
