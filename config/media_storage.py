"""Where the bytes of files are kept besides the directory of the server."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from config.kinds import FilePath, Kind, Secret, parse_bool
from config.option import option, required
from config.reading import Place, Unfit


def _parse_always(value: Any, place: Place) -> bool:
    if not parse_bool(value, place):
        raise Unfit("must be true: every file goes to every provider before anybody is told its URI")
    return True


_Always = Annotated[bool, Kind("`true`", _parse_always)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageProvider:
    """A place where files are kept."""

    # COMPAT(synapse): as its configuration and that of synapse-s3-storage-provider have them.
    module: Literal["file_system", "s3_storage_provider.S3StorageProviderBackend"] = required(
        "`file_system` is a directory, the other anything that speaks S3."
    )
    store_local: _Always = option(True, "Whether files of this server's users are kept there.")
    store_remote: _Always = option(True, "Whether files of other servers are kept there.")
    store_synchronous: _Always = option(True, "Whether uploads wait for it.")
    directory: FilePath | None = option(None, "Of `file_system`: where.", key="config.directory")
    bucket: str | None = option(None, "Of S3: the name of the bucket.", key="config.bucket")
    prefix: str = option("", "Of S3: how the names of all objects begin.", key="config.prefix")
    region_name: str | None = option(None, "Of S3: the region.", key="config.region_name")
    endpoint_url: str | None = option(
        None, "Of S3: where it is, if not at Amazon.", key="config.endpoint_url"
    )
    access_key_id: str | None = option(
        None,
        "Of S3: who we are.",
        key="config.access_key_id",
        default_text="as AWS tools find it: environment, files, role of the machine",
    )
    secret_access_key: Secret = option(
        None, "Of S3: the secret that goes with it.", key="config.secret_access_key", secret=True
    )
    session_token: Secret = option(
        None, "Of S3: the token of temporary ones.", key="config.session_token", secret=True
    )
