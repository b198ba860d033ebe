"""Where the server listens."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from config import schema
from config.kinds import FilePath, Kind, listed
from config.option import option, required
from config.reading import Place, Unfit

ResourceName = Literal[
    "client", "federation", "keys", "media", "metrics", "health", "static", "openid", "consent"
]

# COMPAT(synapse): `client` and `federation` bring others with them, and health is always answered.
_IMPLIED: dict[str, tuple[ResourceName, ...]] = {
    "client": ("media", "static"),
    "federation": ("media", "keys", "openid"),
}
_EVERYWHERE = ("::", "0.0.0.0")


def _parse_names(value: Any, place: Place) -> tuple[ResourceName, ...]:
    if isinstance(value, list) and "replication" in value:
        place.warn(f"{place.key}: `replication` is ignored, as there are no workers to talk to")
        value = [name for name in value if name != "replication"]
    return _NAMES.parse(value, place)


def _parse_mode(value: Any, _: Place) -> int:
    # YAML 1.1 knows 0660 as octal, but not 0o660; and a bare 660 would be read as decimal.
    try:
        mode = int(value, 8) if isinstance(value, str) else value
    except ValueError:
        mode = None
    if not isinstance(mode, int) or isinstance(mode, bool) or not 0 <= mode <= 0o777:
        raise Unfit('must be a file mode in octal, in quotes, such as "0660"')
    return mode


_NAMES: Kind[tuple[ResourceName, ...]] = schema.kind_of(tuple[ResourceName, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """The resources of a listener."""

    names: Annotated[tuple[ResourceName, ...], Kind(_NAMES.expects, _parse_names, list)] = option(
        (),
        "Which parts; `client` brings `media` and `static`, `federation` brings `media`, `keys`, `openid`.",
    )
    compress: bool = option(False, "Whether large answers are compressed for those who accept it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpListener:
    """A listener on a TCP port."""

    port: int = required("Port number; 0 takes any free one.", minimum=0, maximum=65535)
    bind_addresses: tuple[str, ...] = option(
        _EVERYWHERE,
        "Local addresses. With `::` and `0.0.0.0`, failing to have both is no error.",
    )
    type: Literal["http", "metrics"] = option("http", "`metrics` serves Prometheus metrics and nothing else.")
    tls: bool = option(False, "Whether to speak TLS, with `tls_certificate_path` and `tls_private_key_path`.")
    x_forwarded: bool = option(
        False,
        "Whether to believe `X-Forwarded-For`. Only behind a reverse proxy, which nobody can go around.",
    )
    resources: tuple[Resource, ...] = option((), "What is served.")

    @property
    def resource_names(self) -> frozenset[str]:
        """Everything served here, implied resources included."""
        return _resource_names(self.resources, self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixListener:
    """A listener on a Unix socket.

    It is for a reverse proxy on the same machine.
    """

    path: FilePath = required("The socket's path. Its directory must exist.")
    mode: Annotated[int, Kind('octal, such as `"0660"`', _parse_mode, lambda mode: f"{mode:04o}")] = option(
        0o666, "The socket's file mode."
    )
    type: Literal["http"] = option("http", "Only `http`.")
    x_forwarded: bool = option(
        True, "Whether to believe `X-Forwarded-For`: the only way to know a client's address."
    )
    resources: tuple[Resource, ...] = option((), "What is served.")

    @property
    def resource_names(self) -> frozenset[str]:
        """Everything served here, implied resources included."""
        return _resource_names(self.resources, self.type)


Listener = TcpListener | UnixListener

DEFAULT_LISTENERS: tuple[Listener, ...] = (
    TcpListener(
        port=8008,
        bind_addresses=("127.0.0.1", "::1"),
        resources=(Resource(names=("client", "federation")),),
    ),
)

# What Synapse has for a listener and we do not.
_UNUSED = ("tag", "request_id_header", "additional_resources")


def _resource_names(resources: tuple[Resource, ...], listener_type: str) -> frozenset[str]:
    if listener_type == "metrics":
        return frozenset({"metrics"})
    given = {name for resource in resources for name in resource.names}
    implied = {name for given_name in given for name in _IMPLIED.get(given_name, ())}
    return frozenset({"health"} | given | implied)


def _parse_listener(value: Any, place: Place) -> Listener | None:
    if not isinstance(value, dict):
        raise Unfit("must be a mapping")
    if value.get("type") == "manhole":
        place.warn(f"{place.key} is ignored, as there is no manhole")
        return None
    if value.get("path") is None:
        return _parse_tcp(value, place)
    if value.get("port") is not None:
        raise Unfit("has both a port and a path; make it two listeners", quote=False)
    # COMPAT(synapse): these make no sense for a Unix socket and are not looked at.
    pointless = ("port", "bind_addresses", "bind_address", "tls")
    rest = {key: item for key, item in value.items() if key not in pointless}
    return schema.read_record(UnixListener, rest, place, unused=_UNUSED)


def _parse_tcp(value: dict[Any, Any], place: Place) -> TcpListener:
    """Joins `bind_address` to `bind_addresses`; without any, metrics listen on IPv4 only, as Synapse's do."""
    if value.get("port") is None:
        raise Unfit("needs a port, or the path of a Unix socket", quote=False)
    rest = {key: item for key, item in value.items() if key != "bind_address"}
    addresses = value.get("bind_addresses") or []
    if value.get("bind_address") and isinstance(addresses, list):
        addresses = [*addresses, value["bind_address"]]
    everywhere = ["0.0.0.0"] if value.get("type") == "metrics" else list(_EVERYWHERE)
    return schema.read_record(
        TcpListener, {**rest, "bind_addresses": addresses or everywhere}, place, unused=_UNUSED
    )


_PARSED = listed(Kind("a listener", _parse_listener, schema.show_settings))

LISTENERS: Kind[tuple[Listener, ...]] = Kind(
    "a list of listeners",
    lambda value, place: tuple(listener for listener in _PARSED.parse(value, place) if listener is not None),
    _PARSED.show,
    (TcpListener, UnixListener),
)
