"""Which other servers this one talks to, and whom it believes."""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Any

from config.kinds import Duration, FilePath, Kind
from config.option import option, required
from config.reading import Place, Unfit
from config.server import ServerName

_KEY_ID = re.compile(r"ed25519:[A-Za-z0-9_]+")
_KEY_BYTES = 32


def _parse_key(value: Any) -> bytes:
    try:
        text = str(value).rstrip("=")
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except Base64Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise Unfit("must have public keys in Base64, of 32 bytes each")
    return key


def _show_key(key: bytes) -> str:
    return b64encode(key).decode().rstrip("=")


def _checked_id(key_id: Any) -> str:
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise Unfit("must have IDs of keys such as ed25519:a_1234")
    return key_id


def _parse_keys(value: Any, _: Place) -> Mapping[str, bytes]:
    if not isinstance(value, dict):
        raise Unfit("must be a mapping of key IDs to public keys")
    return {_checked_id(key_id): _parse_key(key) for key_id, key in value.items()}


def _show_keys(keys: Mapping[str, bytes]) -> dict[str, str]:
    return {key_id: _show_key(key) for key_id, key in keys.items()}


VerifyKeys = Annotated[
    Mapping[str, bytes], Kind("a mapping of key IDs to public keys in Base64", _parse_keys, _show_keys)
]


@dataclass(frozen=True, slots=True)
class OldKey:
    """A key with which this server once signed. `expired_ts` is in milliseconds."""

    public_key: bytes
    expired_ts: int


def _parse_old_keys(value: Any, _: Place) -> Mapping[str, OldKey]:
    if not isinstance(value, dict):
        raise Unfit("must be a mapping of key IDs to `key` and `expired_ts`")
    return {_checked_id(key_id): _parse_old_key(old) for key_id, old in value.items()}


def _parse_old_key(value: Any) -> OldKey:
    expired_ts = value.get("expired_ts") if isinstance(value, dict) else None
    if not isinstance(expired_ts, int) or isinstance(expired_ts, bool) or expired_ts < 0:
        raise Unfit("must say for each key `expired_ts`, in milliseconds since 1970")
    return OldKey(_parse_key(value.get("key")), expired_ts)


def _show_old_keys(keys: Mapping[str, OldKey]) -> dict[str, Any]:
    return {
        key_id: {"key": _show_key(old.public_key), "expired_ts": old.expired_ts}
        for key_id, old in keys.items()
    }


OldKeys = Annotated[
    Mapping[str, OldKey],
    Kind("a mapping of key IDs to `key` and `expired_ts`", _parse_old_keys, _show_old_keys),
]


def _parse_tls_version(value: Any, _: Place) -> str:
    # A bare 1.2 is a number in YAML.
    version = str(value)
    if version not in ("1", "1.0", "1.1", "1.2", "1.3"):
        raise Unfit("must be a version of TLS: 1.2 or 1.3")
    return max(version, "1.2")


TlsVersion = Annotated[str, Kind("`1.2` or `1.3`", _parse_tls_version)]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyServer:
    """A server that is asked for the keys of others, which it signs with its own."""

    server_name: ServerName = required("Its name.")
    verify_keys: VerifyKeys = option(
        MappingProxyType({}), "Its own keys. Without them, its certificate has to do."
    )
    accept_keys_insecurely: bool = option(
        False, "Needed where neither `verify_keys` nor certificates prove who answers."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Federation:
    """Talking to other Matrix servers."""

    domain_allowlist: tuple[str, ...] | None = option(
        None,
        "The only servers to talk to; an empty list allows none. `*` stands for any part of a name.",
        key="federation_domain_whitelist",
        aliases=("federation_domain_allowlist",),
        default_text="all servers",
    )
    domain_blocklist: tuple[str, ...] = option(
        (),
        "Servers never to talk to. `*` stands for any part of a name.",
        key="federation_domain_blocklist",
    )
    verify_certificates: bool = option(
        True,
        "Whether the TLS certificates of other servers are checked.",
        key="federation_verify_certificates",
    )
    unverified_domains: tuple[str, ...] = option(
        (),
        "Servers whose certificates are not checked. `*` stands for any part of a name.",
        key="federation_certificate_verification_whitelist",
    )
    custom_ca_list: tuple[FilePath, ...] = option(
        (),
        "PEM files of the certificate authorities to believe, instead of those of the system.",
        key="federation_custom_ca_list",
    )
    client_minimum_tls_version: TlsVersion = option(
        "1.2",
        "The oldest TLS to speak. Versions before 1.2 are retired (RFC 8996), so they mean 1.2.",
        key="federation_client_minimum_tls_version",
    )
    client_timeout: Duration = option(
        timedelta(minutes=1),
        "How long another server may take for an answer.",
        key="federation.client_timeout",
        minimum=timedelta(seconds=1),
    )
    destination_min_retry_interval: Duration = option(
        timedelta(minutes=1),
        "How long a server that cannot be reached is left alone, the first time.",
        key="federation.destination_min_retry_interval",
        minimum=timedelta(seconds=1),
    )
    destination_retry_multiplier: float = option(
        2,
        "By how much that time grows with each failure.",
        key="federation.destination_retry_multiplier",
        minimum=1,
    )
    destination_max_retry_interval: Duration = option(
        timedelta(hours=1),
        "How long it grows.",
        key="federation.destination_max_retry_interval",
        minimum=timedelta(seconds=1),
    )
    trusted_key_servers: tuple[KeyServer, ...] = option(
        (KeyServer(server_name="matrix.org"),),
        "Servers that are asked for the keys of those that do not answer themselves.",
    )
    key_refresh_interval: Duration = option(
        timedelta(days=1),
        "For how long others may keep this server's keys before they ask again.",
        minimum=timedelta(minutes=1),
    )
    old_signing_keys: OldKeys = option(
        MappingProxyType({}),
        "Public keys with which this server signed before, so that others can check old events.",
    )
    allow_profile_lookup: bool = option(
        True,
        "Whether other servers may look up profiles of users here.",
        key="allow_profile_lookup_over_federation",
    )
    allow_device_names: bool = option(
        False,
        "Whether other servers may see the names that users here gave their devices.",
        key="allow_device_name_lookup_over_federation",
    )
    allow_public_rooms: bool = option(
        False,
        "Whether other servers may see the list of published rooms.",
        key="allow_public_rooms_over_federation",
    )

    def conflicts(self) -> Iterator[str]:
        for server in self.trusted_key_servers:
            if not (self.verify_certificates or server.verify_keys or server.accept_keys_insecurely):
                yield (
                    f"anybody could answer for {server.server_name}, one of trusted_key_servers:"
                    " give its verify_keys, or do not set federation_verify_certificates to false"
                )
