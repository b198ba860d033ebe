"""Sites that are asked about their pages, as those themselves say little: https://oembed.com/#section2"""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec

from config.previews import Previews as PreviewSettings
from homeserver.runtime.refusal import Refusal


class Endpoint(msgspec.Struct, frozen=True):
    """`schemes` are the URLs of which `url` tells something, with `*` for anything."""

    url: str
    schemes: tuple[str, ...] = ()
    formats: tuple[str, ...] | None = None


class Provider(msgspec.Struct, frozen=True):
    """A site, as files of https://oembed.com/providers.json list them."""

    provider_name: str
    endpoints: tuple[Endpoint, ...]


# Others name their endpoint in their pages.
DEFAULT_PROVIDERS = (
    Provider(
        "X",
        (
            Endpoint(
                "https://publish.x.com/oembed",
                tuple(
                    f"https://{host}/*"
                    for host in ("x.com", "www.x.com", "mobile.x.com", "twitter.com", "mobile.twitter.com")
                ),
            ),
        ),
    ),
    Provider(
        "YouTube",
        (
            Endpoint(
                "https://www.youtube.com/oembed",
                ("https://youtube.com/shorts/*", "https://*.youtube.com/shorts/*"),
            ),
        ),
    ),
)
_FORMAT = "{format}"


class OembedProviders:
    """Knows whom to ask about a page."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        """Raises ValueError where they cannot be asked, or are asked about what is no web page."""
        self._known = [
            (pattern_of(scheme), _asked(endpoint.url))
            for provider in providers
            for endpoint in provider.endpoints
            if endpoint.formats is None or "json" in endpoint.formats
            for scheme in endpoint.schemes
        ]

    def question(self, url: str) -> str | None:
        """The URL where something is told of the page, as JSON."""
        for pattern, endpoint in self._known:
            if pattern.fullmatch(url):
                return endpoint + quote(url, safe="")
        return None


def configured_providers(settings: PreviewSettings) -> OembedProviders:
    """Raises Refusal."""
    providers = [] if settings.disable_default_oembed_providers else list(DEFAULT_PROVIDERS)
    for path in settings.oembed_providers:
        providers += _read(path)
    return OembedProviders(providers)


def _read(path: Path) -> Sequence[Provider]:
    try:
        providers = msgspec.json.decode(path.read_bytes(), type=tuple[Provider, ...])
        OembedProviders(providers)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise Refusal(f"oembed.additional_providers: {path} cannot be used: {error}") from None
    return providers


def pattern_of(scheme: str) -> re.Pattern[str]:
    """In a host, `*` stands for one part of its name. Raises ValueError."""
    parts = urlsplit(scheme)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{scheme!r} is no pattern of http or https URLs")
    host = re.escape(parts.netloc).replace(r"\*", r"[A-Za-z0-9_-]+")
    rest = re.escape(scheme.split(parts.netloc, 1)[1]).replace(r"\*", ".+")
    return re.compile(f"{parts.scheme}://{host}{rest}")


def _asked(endpoint: str) -> str:
    url = endpoint.replace(_FORMAT, "json")
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{endpoint!r} is no http or https URL")
    return f"{url}{'&' if '?' in url else '?'}format=json&url="
