"""Files that users share."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from config.kinds import Duration, FilePath, Kind, Size, parse_text
from config.media_storage import StorageProvider
from config.option import option, required


@dataclass(frozen=True, slots=True, kw_only=True)
class ThumbnailSize:
    """A size of thumbnails, in pixels."""

    width: int = required("Its width.", minimum=1, maximum=8192)
    height: int = required("Its height.", minimum=1, maximum=8192)
    method: Literal["crop", "scale"] = required(
        "`crop` fills the size and cuts off what is too much, `scale` fits into it."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimit:
    """A limit on what a user may upload."""

    time_period: Duration = required("The time over which uploads are counted.", minimum=timedelta(seconds=1))
    max_size: Size = required("How many bytes a user may upload in that time.", minimum=1)
    info_uri: Annotated[str | None, Kind("a URI", parse_text, nullable=True)] = option(
        None, "Where users read about the limit.", default_text="this server's page"
    )
    can_upgrade: bool = option(False, "Whether users can have it raised.")


def _thumbnail_sizes() -> tuple[ThumbnailSize, ...]:
    return (
        ThumbnailSize(width=32, height=32, method="crop"),
        ThumbnailSize(width=96, height=96, method="crop"),
        ThumbnailSize(width=320, height=240, method="scale"),
        ThumbnailSize(width=640, height=480, method="scale"),
        ThumbnailSize(width=800, height=600, method="scale"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Files that users share."""

    store_path: FilePath | None = option(
        None,
        "The directory where the files are kept.",
        key="media_store_path",
        default_text="`media_store` in the data directory",
    )
    enable_local_media_storage: bool = option(
        True,
        "Whether files are kept in that directory. Without it they are kept by `media_storage_providers` alone.",
    )
    storage_providers: tuple[StorageProvider, ...] = option(
        (), "Further places where every file is kept.", key="media_storage_providers"
    )
    max_upload_size: Size = option(
        50 * 1024**2, "The largest file that is taken, from users and from other servers.", minimum=1
    )
    # COMPAT(synapse): keys and defaults are those of Synapse 1.163.
    enable_authenticated_media: bool = option(
        True,
        "Whether files uploaded from now on are given only to who is logged in. Earlier ones stay as they are.",
    )
    max_pending_media_uploads: int = option(
        5, "How many uploads a user can have announced that have not come yet.", minimum=0
    )
    unused_expiration_time: Duration = option(
        timedelta(days=1), "How long an announced upload may take to come.", minimum=timedelta(seconds=1)
    )
    upload_limits: tuple[UploadLimit, ...] = option(
        (), "How much a user may upload; each of these must be kept.", key="media_upload_limits"
    )
    remote_per_second: Size = option(
        87 * 1024,
        "How much is fetched per second from other servers for the clients of one address, in the long run.",
        key="remote_media_download_per_second",
    )
    remote_burst: Size = option(
        500 * 1024**2,
        "How much of that may come at once.",
        key="remote_media_download_burst_count",
    )
    prevent_downloads_from: tuple[str, ...] = option(
        (), "Servers whose files are given to nobody.", key="prevent_media_downloads_from"
    )
    local_lifetime: Duration | None = option(
        None,
        "How long files of this server's users are kept after somebody last asked for them.",
        key="media_retention.local_media_lifetime",
        default_text="for ever",
    )
    remote_lifetime: Duration | None = option(
        None,
        "How long files of other servers are kept after somebody last asked for them.",
        key="media_retention.remote_media_lifetime",
        default_text="for ever",
    )
    remote_size: Size | None = option(
        None,
        "How much of other servers' files is kept; beyond it, those go that were not asked for the longest.",
        key="media_retention.remote_media_size",
        default_text="all",
    )
    scanner_command: tuple[str, ...] = option(
        (),
        "A program and its arguments that gets each file on its standard input before the file is kept: it takes it"
        " by the exit code 0 and refuses it by 1.",
        key="media_scanner.command",
    )
    scanner_timeout: Duration = option(
        timedelta(seconds=30),
        "How long it may take; a file that it does not judge is not kept.",
        key="media_scanner.timeout",
        minimum=timedelta(seconds=1),
    )
    max_image_pixels: Size = option(
        32 * 1024**2, "The largest picture, in pixels, of which thumbnails are made.", minimum=1
    )
    dynamic_thumbnails: bool = option(
        False,
        "Whether thumbnails are made in any size that is asked for, not only those of `thumbnail_sizes`.",
    )
    thumbnail_sizes: tuple[ThumbnailSize, ...] = option(
        _thumbnail_sizes(),
        "The sizes of thumbnails; where a larger one is asked for, the largest doubled as often as it takes.",
    )
    thumbnail_processes: int = option(
        2, "How many thumbnails are made at the same time, each in a process of its own.", minimum=1
    )
