"""Previews of web pages, where the operator wants them."""

from datetime import timedelta

from homeserver.app.core import Contribution, Core
from homeserver.app.media import MediaParts
from homeserver.http.outbound import Outbound
from homeserver.http.outbound_addresses import AddressRules
from homeserver.http.outbound_tls import Trust
from homeserver.media.previews.pictures import PreviewPictures
from homeserver.runtime.tasks import Every


def previews(core: Core, media: MediaParts) -> Contribution:
    settings = core.config.previews
    if not settings.enabled:
        return Contribution()
    # With them comes lxml, whose 5 MB those without previews need not have.
    from homeserver.media.previews.api import PreviewEndpoints  # noqa: PLC0415
    from homeserver.media.previews.previews import Previews  # noqa: PLC0415
    from homeserver.media.previews.providers import configured_providers  # noqa: PLC0415

    outbound = Outbound(
        core.around.reactor,
        AddressRules(settings.ip_range_blocklist, settings.ip_range_allowlist),
        Trust(),
        core.config.outbound.user_agent_suffix,
    )
    pictures = PreviewPictures(
        outbound,
        media.contents,
        media.inspection,
        media.workers,
        core.domains,
        core.clock,
        core.around.randomness,
        is_authenticated=core.config.media.enable_authenticated_media,
    )
    # One, because reading a page is work and no waiting.
    threads = core.around.make_threads("previews", 1)
    pages = Previews(
        outbound, pictures, threads, configured_providers(settings), settings, core.db, core.clock
    )

    async def stop() -> None:
        threads.stop()
        await outbound.close()

    return Contribution(
        [PreviewEndpoints(pages)], [Every("old previews", timedelta(hours=1), pages.forget_old)], [stop]
    )
