from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from config import Config, ConfigError, load
from config.database import PostgresDatabase, SqliteDatabase
from config.rate_limits import RateLimit
from config.schema import all_settings
from config.synapse_keys import UNUSED
from config.tests.conftest import Configure, Mistakes

# Every key that the plan of the product names.
PLANNED = """
    server_name public_baseurl serve_server_wellknown pid_file user_agent_suffix listeners
    tls_certificate_path tls_private_key_path federation_custom_ca_list federation_verify_certificates
    federation_certificate_verification_whitelist use_insecure_ssl_client_just_for_testing_do_not_use
    ip_range_blacklist ip_range_whitelist federation_ip_range_blacklist ip_range_blocklist
    ip_range_allowlist federation_domain_whitelist allow_public_rooms_over_federation
    allow_public_rooms_without_auth federation federation_rr_transactions_per_room_per_second database
    signing_key_path old_signing_keys key_refresh_interval trusted_key_servers suppress_key_server_warning
    registration_shared_secret registration_shared_secret_path enable_registration
    enable_registration_without_verification registration_requires_token registrations_require_3pid
    allow_guest_access enable_3pid_changes auto_join_rooms macaroon_secret_key macaroon_secret_key_path
    form_secret form_secret_path bcrypt_rounds password_config refresh_token_lifetime
    refreshable_access_token_lifetime session_lifetime login_via_existing_session ui_auth rc_message
    rc_registration rc_registration_token_validity rc_login rc_admin_redaction rc_joins rc_joins_per_room
    rc_3pid_validation rc_invites rc_third_party_invite rc_media_create rc_key_requests rc_presence
    rc_delayed_event_mgmt rc_room_creation rc_reports rc_user_directory rc_profile rc_federation
    default_room_version room_list_publication_rules alias_creation_rules require_membership_for_aliases
    encryption_enabled_by_default_for_room_type enable_room_list_search block_non_admin_invites
    forget_rooms_on_leave redaction_retention_period retention limit_remote_rooms presence user_directory
    push enable_ephemeral_messages media_store_path max_upload_size max_image_pixels dynamic_thumbnails
    thumbnail_sizes media_retention media_upload_limits media_storage_providers url_preview_enabled
    url_preview_ip_range_blacklist url_preview_ip_range_whitelist url_preview_url_blacklist
    max_spider_size remote_media_download_per_second remote_media_download_burst_count
    app_service_config_files track_appservice_user_ips email jwt_config oidc_providers sso cas_config
    saml2_config recaptcha_public_key recaptcha_private_key enable_registration_captcha turn_uris
    turn_shared_secret turn_user_lifetime user_consent server_notices admin_contact hs_disabled
    limit_usage_by_mau max_mau_value log_config enable_metrics metrics_port report_stats sentry
    opentracing caches event_cache_size experimental_features
""".split()  # noqa: SIM905 -- a page of quotation marks would be worse

RATE_LIMITS = """
    rc_message rc_registration rc_registration_token_validity rc_login.address rc_login.account
    rc_login.failed_attempts rc_admin_redaction rc_joins.local rc_joins.remote rc_joins_per_room
    rc_3pid_validation rc_invites.per_room rc_invites.per_user rc_invites.per_issuer rc_third_party_invite
    rc_media_create rc_key_requests rc_presence.per_user rc_delayed_event_mgmt rc_room_creation rc_reports
    rc_user_directory rc_profile
""".split()  # noqa: SIM905 -- as above


def test_the_name_alone_is_enough(configure: Configure, tmp_path: Path) -> None:
    loaded = configure()
    assert loaded.config.server.server_name == "example.org"
    assert loaded.config.data_dir == tmp_path
    assert loaded.config.database == SqliteDatabase(f"{tmp_path}/folkmoot.db")
    assert (loaded.unused, loaded.warnings) == ((), ())
    assert loaded.sources == {"server_name": f"{tmp_path}/homeserver.yaml line 1"}


@pytest.mark.parametrize("overrides", [[], ["server_name="]])
def test_without_a_name_it_says_how_to_give_one(overrides: list[str]) -> None:
    with pytest.raises(ConfigError) as refusal:
        load([], data_dir=Path("data"), environ={}, overrides=overrides)
    assert str(refusal.value) == (
        "server_name is missing: run `folkmoot init --server-name NAME`, "
        "or write `server_name: NAME` into the configuration file"
    )


def test_the_data_directory_is_made_absolute() -> None:
    loaded = load([], data_dir=Path("data"), environ={"FOLKMOOT_SERVER_NAME": "a.b"}, overrides=[])
    assert loaded.config.data_dir == Path.cwd() / "data"
    assert loaded.config.signing_key_path == Path.cwd() / "data" / "a.b.signing.key"


def test_every_planned_key_is_known() -> None:
    known = {key for setting in all_settings(Config) for key in setting.keys} | UNUSED
    assert {key for key in PLANNED if not any(f"{name}.".startswith(f"{key}.") for name in known)} == set()


def test_no_setting_is_declared_twice() -> None:
    keys = [key for setting in all_settings(Config) for key in setting.keys]
    assert len(keys) == len(set(keys))
    assert not UNUSED & set(keys)


def test_all_rate_limits_can_be_lifted(configure: Configure) -> None:
    wide = RateLimit(per_second=1000000, burst=1000000)
    overrides = [f"{key}={{per_second: 1000000, burst_count: 1000000}}" for key in RATE_LIMITS]
    limits = configure(overrides=overrides).config.rate_limits
    others = {name for name in type(limits).__slots__ if getattr(limits, name) != wide}
    assert others == {"federation"}


def test_a_configuration_of_an_operator(configure: Configure, tmp_path: Path) -> None:
    loaded = configure(
        """
listeners:
  - port: 8008
    type: http
    bind_addresses: ["127.0.0.1"]
    resources:
      - names: [client]
  - port: 8448
    type: http
    tls: true
    resources:
      - names: [federation, keys]
tls_certificate_path: server.pem
tls_private_key_path: /etc/folkmoot/server.key
federation_custom_ca_list: [ca.pem]
ip_range_blacklist: []
rc_message: &wide {per_second: 1000000, burst_count: 1000000}
rc_login: {address: *wide, account: *wide, failed_attempts: *wide}
database:
  name: psycopg2
  args: {user: folkmoot, password: hush, host: localhost, port: 5432, dbname: folkmoot, cp_min: 2, cp_max: 8}
registration_shared_secret: hush
report_stats: false
suppress_key_server_warning: true
"""
    )
    config = loaded.config
    client, federation = config.listeners
    assert client.resource_names == {"client", "media", "static", "health"}
    assert federation.resource_names == {"federation", "keys", "media", "openid", "health"}
    assert config.tls.certificate_path == tmp_path / "server.pem"
    assert config.tls.private_key_path == Path("/etc/folkmoot/server.key")
    assert config.outbound.ip_range_blocklist == ()
    assert config.rate_limits.login_per_account == RateLimit(per_second=1e6, burst=1000000)
    assert isinstance(config.database, PostgresDatabase)
    assert config.database.arguments["dbname"] == "folkmoot"
    assert config.registration.shared_secret == "hush"
    assert config.federation.custom_ca_list == (tmp_path / "ca.pem",)
    assert loaded.unused == ("suppress_key_server_warning",)
    assert loaded.warnings == ("these settings have no effect yet: suppress_key_server_warning",)


@pytest.mark.parametrize("database", ["chat.db", ":memory:"])
def test_sqlite_files_and_memory(configure: Configure, tmp_path: Path, database: str) -> None:
    config = configure(f'database: {{name: sqlite3, args: {{database: "{database}"}}}}\n').config
    path = database if database == ":memory:" else f"{tmp_path}/chat.db"
    assert config.database == SqliteDatabase(path)


def test_a_misspelt_key(mistakes: Mistakes) -> None:
    assert mistakes("rc_mesage: {per_second: 1}\n") == [
        "homeserver.yaml line 2: there is no setting rc_mesage; did you mean rc_message?"
    ]


def test_a_misspelt_part(mistakes: Mistakes) -> None:
    assert mistakes("rc_login:\n  address: {per_secnd: 1}\n  acount: {}\n") == [
        "homeserver.yaml line 4: there is no setting rc_login.acount; did you mean rc_login.account?",
        "homeserver.yaml line 3: there is no setting rc_login.address.per_secnd; "
        "did you mean rc_login.address.per_second?",
    ]


def test_a_misspelt_key_without_effect(mistakes: Mistakes) -> None:
    assert mistakes("trusted_keyservers: []\n") == [
        "homeserver.yaml line 2: there is no setting trusted_keyservers; did you mean trusted_key_servers?"
    ]


def test_every_problem_has_its_line(mistakes: Mistakes) -> None:
    text = "bcrypt_rounds: 3\nmax_upload_size: huge\nlog_level: loud\n"
    found = mistakes(text, environ={"FOLKMOOT_RC_REPORTS__PER_SECOND": "-1"}, overrides=["pid_file=5"])
    assert found == [
        "-o pid_file: pid_file must be a path, not 5",
        "homeserver.yaml line 2: bcrypt_rounds must be at least 4, not 3",
        "environment variable FOLKMOOT_RC_REPORTS__PER_SECOND: "
        "rc_reports.per_second must be at least 0, not -1",
        "homeserver.yaml line 3: max_upload_size must be a size such as 512K, 50M or 2G, "
        'or a number of bytes, not "huge"',
        'homeserver.yaml line 4: log_level must be one of debug, info, warning, error, not "loud"',
    ]


def test_a_secret_is_not_repeated(mistakes: Mistakes) -> None:
    assert mistakes("macaroon_secret_key: 271828\n") == [
        "homeserver.yaml line 2: macaroon_secret_key must be text; "
        "put it in quotes if it looks like something else"
    ]


def test_one_part_of_a_rate_limit_leaves_the_other(configure: Configure) -> None:
    limits = configure(overrides=["rc_message.per_second=5"]).config.rate_limits
    assert limits.messages == RateLimit(per_second=5, burst=10)


def test_lifetimes_and_their_absence(configure: Configure) -> None:
    sessions = configure(
        "session_lifetime: 1d\nrefresh_token_lifetime: 3600000\nrefreshable_access_token_lifetime: null\n"
    ).config.sessions
    assert sessions.lifetime == timedelta(days=1)
    assert sessions.refresh_token_lifetime == timedelta(hours=1)
    assert sessions.refreshable_access_token_lifetime is None


def test_redacted_content_can_be_kept_forever(configure: Configure) -> None:
    assert configure().config.rooms.redaction_retention_period == timedelta(days=7)
    assert configure("redaction_retention_period: null\n").config.rooms.redaction_retention_period is None


def test_encryption_by_default_can_be_off_without_quotes(configure: Configure) -> None:
    text = "encryption_enabled_by_default_for_room_type: off\n"
    assert configure(text).config.rooms.encryption_by_default == "off"


def test_the_room_version_needs_no_quotes(configure: Configure) -> None:
    assert configure("default_room_version: 11\n").config.rooms.default_version == "11"


def test_presence_and_its_old_name(configure: Configure) -> None:
    assert configure().config.presence.enabled is True
    assert configure("use_presence: false\n").config.presence.enabled is False
    assert configure("presence: {enabled: untracked}\n").config.presence.enabled == "untracked"


def test_address_ranges_and_their_new_names(configure: Configure) -> None:
    outbound = configure(
        "ip_range_blocklist: [10.0.0.0/8]\nip_range_allowlist: [10.1.0.0/16]\n"
    ).config.outbound
    assert outbound.ip_range_blocklist == (ip_network("10.0.0.0/8"),)
    assert outbound.ip_range_allowlist == (ip_network("10.1.0.0/16"),)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fd00::1"],
)
def test_private_addresses_are_blocked_by_default(configure: Configure, address: str) -> None:
    network = ip_network(address)
    blocklist = configure().config.outbound.ip_range_blocklist
    assert any(network.version == r.version and network.network_address in r for r in blocklist)


def test_experimental_features_are_passed_on(configure: Configure) -> None:
    features = configure("experimental_features: {msc3575_enabled: true}\n").config.experimental_features
    assert features == {"msc3575_enabled": True}


def test_parts_of_known_settings_may_be_without_effect(configure: Configure) -> None:
    text = (
        "presence: {presence_router: {}}\ncaches: {per_cache_factors: {get_user: 2.0}, global_factor: 1.0}\n"
    )
    loaded = configure(text)
    assert loaded.unused == ("caches.per_cache_factors", "presence.presence_router")
    assert loaded.config.caches.budget == 128 * 1024**2
