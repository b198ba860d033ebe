"""Files that users share."""

from dataclasses import dataclass
from datetime import timedelta

from config.kinds import Duration, FilePath, Size
from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Files that users share."""

    store_path: FilePath | None = option(
        None,
        "The directory where the files are kept.",
        key="media_store_path",
        default_text="`media_store` in the data directory",
    )
    max_upload_size: Size = option(50 * 1024**2, "The largest file that is taken.", minimum=1)
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
