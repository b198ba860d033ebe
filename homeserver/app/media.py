"""Files that users share."""

from datetime import timedelta

from homeserver.app.core import Contribution, Core
from homeserver.media.api import DownloadEndpoints, UploadEndpoints
from homeserver.media.downloads import Downloads
from homeserver.media.storage import LocalStorage
from homeserver.media.uploads import Uploads
from homeserver.runtime.tasks import Every

# Each holds a piece of a file in memory and waits for the disk.
_THREADS = 4


def media(core: Core) -> Contribution:
    settings = core.config.media
    storage = LocalStorage(core.config.media_store_path)
    threads = core.around.make_threads("media", _THREADS)
    uploads = Uploads(
        core.db,
        storage,
        threads,
        core.domains,
        core.waiting,
        settings,
        core.clock,
        core.around.randomness,
    )
    downloads = Downloads(core.db, storage, threads, core.domains, core.waiting, core.clock)

    async def stop_threads() -> None:
        threads.stop()

    return Contribution(
        [
            UploadEndpoints(uploads, settings.max_upload_size),
            DownloadEndpoints(downloads, frozen=settings.enable_authenticated_media),
        ],
        [Every("unused media URIs", timedelta(hours=1), uploads.forget_unused)],
        [stop_threads],
    )
