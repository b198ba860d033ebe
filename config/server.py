"""What the server is called, and where it is found."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from config.kinds import BaseUrl, FilePath, Kind, parse_text
from config.option import option, required
from config.reading import Place, Unfit

_LONGEST_SERVER_NAME = 230
_SERVER_NAME = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,255})(:[0-9]{1,5})?")


def _parse_server_name(value: Any, place: Place) -> str:
    """Follows https://spec.matrix.org/v1.19/appendices/#server-name."""
    name = parse_text(value, place)
    if len(name) > _LONGEST_SERVER_NAME or not _SERVER_NAME.fullmatch(name):
        raise Unfit("must be a host name such as example.org, without https://, optionally with a port")
    return name


ServerName = Annotated[str, Kind("a host name, optionally with a port", _parse_server_name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server's name is part of every user ID and every event, so it can never be changed."""

    server_name: ServerName = required(
        "The part of user IDs after the colon, such as `example.org`.",
        missing="server_name is missing: run `folkmoot init --server-name NAME`, "
        "or write `server_name: NAME` into the configuration file",
    )
    public_baseurl: BaseUrl | None = option(
        None,
        "Where clients reach the server. If it is given, `/.well-known/matrix/client` tells them.",
        default_text="`https://<server_name>/`",
    )
    serve_server_wellknown: bool = option(
        False, "Whether `/.well-known/matrix/server` sends other servers to port 443 of `server_name`."
    )
    signing_key_path: FilePath | None = option(
        None,
        "The key that signs events, in one line `ed25519 VERSION BASE64SEED`.",
        default_text="`<server_name>.signing.key`",
    )
    pid_file: FilePath | None = option(None, "Where to write the process ID.")

    @property
    def base_url(self) -> str:
        """Where clients reach the server, with a slash at the end."""
        return self.public_baseurl or f"https://{self.server_name}/"
