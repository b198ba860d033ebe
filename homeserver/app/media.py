"""Files that users share."""

from datetime import timedelta

from config.media_storage import StorageProvider
from config.rate_limits import RateLimit
from config.root import Config
from federation.api.media import FederationMediaEndpoints
from homeserver.app.core import Contribution, Core
from homeserver.media.accesses import Accesses
from homeserver.media.allowance import RemoteAllowance
from homeserver.media.api import (
    LIMIT_PAGE,
    DownloadEndpoints,
    ThumbnailEndpoints,
    UploadEndpoints,
    UploadLimitEndpoints,
)
from homeserver.media.contents import Contents
from homeserver.media.downloads import Downloads
from homeserver.media.inspection import Inspection
from homeserver.media.lookup import MediaLookup
from homeserver.media.mirrors import Mirrors
from homeserver.media.pictures.workers import Workers
from homeserver.media.quotas import Quotas
from homeserver.media.remote import OtherServers, RemoteFiles
from homeserver.media.retention import Retention
from homeserver.media.storage import LocalStorage, Storage
from homeserver.media.thumbnails import Thumbnails
from homeserver.media.uploads import Uploads
from homeserver.runtime.refusal import Refusal
from homeserver.runtime.tasks import Every
from homeserver.templates.pages import Pages
from homeserver.templates.rendering import Templates

# Each holds a piece of a file in memory and waits for the disk.
_THREADS = 4


class MediaParts:
    def __init__(self, core: Core, servers: OtherServers) -> None:
        settings = core.config.media
        db, clock, domains = core.db, core.clock, core.domains
        self._core = core
        self._threads = core.around.make_threads("media", _THREADS)
        self.storage = _storage(core.config)
        self.contents = Contents(db, self.storage, self._threads, clock, core.around.randomness)
        self._accesses = Accesses(db, clock)
        self.inspection = inspection = Inspection(
            self._threads, settings.scanner_command, settings.scanner_timeout.total_seconds()
        )
        info_uri = core.config.server.base_url.rstrip("/") + LIMIT_PAGE
        self._uploads = Uploads(
            db,
            self.contents,
            inspection,
            Quotas(db, clock, settings.upload_limits, info_uri),
            domains,
            core.waiting,
            settings,
            clock,
            core.around.randomness,
        )
        remote = RemoteFiles(
            servers,
            self.contents,
            inspection,
            RemoteAllowance(
                core.limiter, RateLimit(per_second=settings.remote_per_second, burst=settings.remote_burst)
            ),
            db,
            clock,
            settings.max_upload_size,
            is_authenticated=settings.enable_authenticated_media,
        )
        self._lookup = MediaLookup(
            db, domains, remote, self._accesses, core.waiting, clock, settings.prevent_downloads_from
        )

        self.workers = Workers(
            core.around.make_threads("thumbnails", settings.thumbnail_processes), settings.max_image_pixels
        )
        sizes = () if settings.dynamic_thumbnails else settings.thumbnail_sizes
        self._retention = Retention(db, settings, clock)
        self._thumbnails = Thumbnails(self._lookup, self.contents, self.workers, sizes, db, clock)

    def part(self) -> Contribution:
        settings = self._core.config.media
        downloads = Downloads(self._lookup, self.contents)
        frozen = settings.enable_authenticated_media
        templates = Templates(self._core.config.templates.directory, self._core.domains.default)
        return Contribution(
            [
                UploadEndpoints(self._uploads, settings.max_upload_size),
                UploadLimitEndpoints(Pages(templates, self._core.around.randomness)),
                DownloadEndpoints(downloads, frozen=frozen),
                ThumbnailEndpoints(self._thumbnails, frozen=frozen),
                FederationMediaEndpoints(
                    downloads, self._thumbnails, self._core.domains, self._core.around.randomness
                ),
            ],
            [
                Every("unused media URIs", timedelta(hours=1), self._uploads.forget_unused),
                Every("content that nobody knows of", timedelta(hours=1), self.contents.find_unknown),
                Every("content that nothing refers to", timedelta(hours=1), self.contents.remove_unused),
                Every("how long files are kept", timedelta(hours=1), self._retention.apply),
                Every("thumbnails that failed", timedelta(hours=1), self._thumbnails.forget_failures),
                Every("when files were asked for", timedelta(minutes=1), self._accesses.write),
            ],
            [self._accesses.write, self.workers.stop, self._stop_threads],
        )

    async def _stop_threads(self) -> None:
        self._threads.stop()


def _storage(config: Config) -> Storage:
    settings = config.media
    places: list[Storage] = [_provided(provider) for provider in settings.storage_providers]
    # The directory comes first, as nothing gives files out faster. Without a provider it is all there is.
    if settings.enable_local_media_storage or not places:
        places.insert(0, LocalStorage(config.media_store_path))
    return places[0] if len(places) == 1 else Mirrors(places)


def _provided(provider: StorageProvider) -> Storage:
    if provider.module == "file_system":
        if provider.directory is None:
            raise Refusal("media_storage_providers: `file_system` needs config.directory, the directory.")
        return LocalStorage(provider.directory)
    if provider.bucket is None:
        raise Refusal("media_storage_providers: S3 needs config.bucket, the name of the bucket.")
    # boto3 takes 30 MB and half a second, which those without S3 need not pay.
    from homeserver.media.s3 import S3Storage  # noqa: PLC0415

    return S3Storage(provider)
