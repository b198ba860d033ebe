"""Settings of a homeserver that serves this machine alone: in Synapse's terms, which are Folkmoot's, too."""

import secrets
import socket
from base64 import b64encode
from pathlib import Path
from typing import Any

SHARED_SECRET = "shared secret of a server for one run"

_UNLIMITED = {"per_second": 1_000_000, "burst_count": 1_000_000}
_LIMITS = (
    "3pid_validation",
    "admin_redaction",
    "delayed_event_mgmt",
    "joins_per_room",
    "key_requests",
    "media_create",
    "message",
    "profile",
    "registration",
    "registration_token_validity",
    "reports",
    "room_creation",
    "third_party_invite",
    "user_directory",
)
_NESTED_LIMITS = {
    "invites": ("per_issuer", "per_room", "per_user"),
    "joins": ("local", "remote"),
    "login": ("account", "address", "failed_attempts"),
    "presence": ("per_user",),
}


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def loopback_settings(directory: Path, port: int) -> dict[str, Any]:
    """One plain listener, all data in `directory`, no limits on rates, and SHARED_SECRET to register with."""
    return {
        "server_name": "localhost",
        "public_baseurl": f"http://127.0.0.1:{port}/",
        "listeners": [
            {
                "port": port,
                "bind_addresses": ["127.0.0.1"],
                "type": "http",
                "tls": False,
                "resources": [{"names": ["client", "health"], "compress": False}],
            }
        ],
        "database": {"name": "sqlite3", "args": {"database": str(directory / "homeserver.db")}},
        "signing_key_path": str(directory / "signing.key"),
        "media_store_path": str(directory / "media"),
        "pid_file": str(directory / "homeserver.pid"),
        "registration_shared_secret": SHARED_SECRET,
        # Push gateways and the like are on this machine, too.
        "ip_range_whitelist": ["127.0.0.1/32"],
        "room_list_publication_rules": [{"action": "allow"}],
        "macaroon_secret_key": "macaroon secret of a server for one run",
        "form_secret": "form secret of a server for one run",
        "report_stats": False,
        "suppress_key_server_warning": True,
        "trusted_key_servers": [],
        **unlimited_rates(),
    }


def unlimited_rates() -> dict[str, Any]:
    """Every `rc_` setting, so high that nothing reaches it."""
    nested = {f"rc_{section}": dict.fromkeys(parts, _UNLIMITED) for section, parts in _NESTED_LIMITS.items()}
    return {**nested, **{f"rc_{name}": _UNLIMITED for name in _LIMITS}}


def signing_key() -> str:
    """A new key as the file named by `signing_key_path` holds it."""
    return f"ed25519 a_test {b64encode(secrets.token_bytes(32)).decode().rstrip('=')}\n"
