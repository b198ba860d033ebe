from pathlib import Path

import yaml

from config import Config, load, render_docs, render_effective
from config.schema import all_settings
from config.synapse_keys import UNUSED
from config.tests.conftest import Configure

EVERYTHING = """
public_baseurl: https://matrix.example.org
listeners:
  - {port: 8448, tls: true, bind_address: "::1", resources: [{names: [federation], compress: true}]}
  - {path: /run/s, mode: "0600"}
tls_certificate_path: a.pem
tls_private_key_path: b.pem
database: postgresql://fm:hush1@db:5433/chat?sslmode=require&cp_max=7
caches: {global_factor: 2, total_size: 1G}
registration_shared_secret: hush2
session_lifetime: 10d
refresh_token_lifetime: 1500
form_secret: hush3
password_config: {pepper: hush4, enabled: only_for_reauth, policy: {enabled: true}}
rc_message: {per_second: 0.25}
rc_admin_redaction: {}
encryption_enabled_by_default_for_room_type: off
redaction_retention_period: null
presence: {enabled: untracked}
max_upload_size: 1000
ip_range_blacklist: []
federation_ip_range_blacklist: [10.0.0.0/8, "fd00::/8"]
metrics_port: 9000
experimental_features: {msc3266_enabled: true}
"""


def reloaded(text: str, tmp_path: Path) -> Config:
    file = tmp_path / "shown.yaml"
    file.write_text(text, encoding="utf-8")
    return load([file], data_dir=tmp_path, environ={}, overrides=[]).config


def test_what_is_shown_can_be_loaded(configure: Configure, tmp_path: Path) -> None:
    for config in (configure().config, configure(EVERYTHING).config):
        assert reloaded(render_effective(config, reveal=True), tmp_path) == config


def test_secrets_are_hidden(configure: Configure) -> None:
    shown = render_effective(configure(EVERYTHING).config)
    assert "hush" not in shown
    assert shown.count("<hidden>") == 4
    assert yaml.safe_load(shown)["macaroon_secret_key"] is None


def test_every_setting_is_shown(configure: Configure) -> None:
    shown = yaml.safe_load(render_effective(configure().config))
    for setting in all_settings(Config):
        value = shown
        for part in setting.key.split("."):
            value = value[part]


def test_values_are_shown_as_they_are_written(configure: Configure) -> None:
    shown = yaml.safe_load(render_effective(configure(EVERYTHING).config))
    assert shown["session_lifetime"] == "10d"
    assert shown["refresh_token_lifetime"] == 1500
    assert shown["caches"] == {"global_factor": 2, "total_size": "1G"}
    assert shown["listeners"][1]["mode"] == "0600"
    assert shown["rc_message"] == {"per_second": 0.25, "burst_count": 10}


def test_the_reference_has_every_setting() -> None:
    docs = render_docs()
    for setting in all_settings(Config):
        # A part of another setting may have the same name, and comes after it.
        row = next(line for line in docs.splitlines() if line.startswith(f"| `{setting.key}` |"))
        assert all(f"`{key}`" in row for key in setting.keys)
    assert all(f"`{key}`" in docs for key in UNUSED)


def test_the_reference_is_whole_tables() -> None:
    rows = [line for line in render_docs().splitlines() if line.startswith("|")]
    assert all(row.count("|") == 5 for row in rows)


def test_the_reference_tells_bounds_defaults_and_parts() -> None:
    docs = render_docs()
    assert "| `bcrypt_rounds` | a whole number, at least `4`, at most `31` | `12` |" in docs
    assert "| `redaction_retention_period` | a duration, or null | `7d` |" in docs
    limit = "`{per_second: 0.003, burst_count: 5}`"
    assert f"| `rc_login.address` | a mapping of `per_second`, `burst_count` | {limit} |" in docs
    assert docs.count("\n### The resources of a listener\n") == 1
    assert "Or `registration_shared_secret_path`." in docs
