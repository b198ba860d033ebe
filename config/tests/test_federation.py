from datetime import timedelta

import pytest

from config.federation import KeyServer, OldKey
from config.tests.conftest import Configure, Mistakes

KEY = "Noi6WqcDj0QmPxCNQqgezwTlBKrfqehY1u2FyWP9uYw"


def test_defaults(configure: Configure) -> None:
    federation = configure().config.federation
    assert federation.domain_allowlist is None
    assert federation.verify_certificates
    assert federation.trusted_key_servers == (KeyServer(server_name="matrix.org"),)
    assert federation.destination_max_retry_interval == timedelta(hours=1)


def test_as_synapse_writes_it(configure: Configure) -> None:
    loaded = configure(
        f"""
federation_domain_whitelist: [one.example, two.example]
federation_client_minimum_tls_version: 1.2
federation: {{client_timeout: 90s, max_short_retries: 3}}
trusted_key_servers:
  - server_name: matrix.org
    verify_keys: {{"ed25519:auto": "{KEY}"}}
old_signing_keys: {{"ed25519:old": {{key: "{KEY}=", expired_ts: 123}}}}
"""
    )
    federation = loaded.config.federation
    (server,) = federation.trusted_key_servers
    assert federation.domain_allowlist == ("one.example", "two.example")
    assert federation.client_minimum_tls_version == "1.2"
    assert federation.client_timeout == timedelta(seconds=90)
    assert len(server.verify_keys["ed25519:auto"]) == 32
    assert federation.old_signing_keys["ed25519:old"] == OldKey(server.verify_keys["ed25519:auto"], 123)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("old_signing_keys: [a]", "must be a mapping"),
        ("old_signing_keys: {a: {key: x, expired_ts: 1}}", "must have IDs of keys"),
        ('old_signing_keys: {"ed25519:a": {key: x, expired_ts: 1}}', "must have public keys"),
        (f'old_signing_keys: {{"ed25519:a": {{key: {KEY}}}}}', "must say for each key"),
        ('trusted_key_servers: [{server_name: a, verify_keys: {"ed25519:a": "$"}}]', "must have public keys"),
        ("trusted_key_servers: [{server_name: a, verify_keys: [x]}]", "must be a mapping"),
        ("federation_verify_certificates: false", "anybody could answer for matrix.org"),
    ],
)
def test_mistakes(mistakes: Mistakes, text: str, words: str) -> None:
    (mistake,) = mistakes(text + "\n")
    assert words in mistake
