"""Previews of web pages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from typing import Annotated, Any
from urllib.parse import urlsplit

from config.kinds import FilePath, Kind, Network, Size
from config.option import option
from config.outbound import PRIVATE_RANGES
from config.reading import Place, Unfit

_PARTS = ("scheme", "netloc", "path", "query", "fragment", "username", "password", "hostname", "port")


@dataclass(frozen=True, slots=True)
class UrlPattern:
    """URLs whose parts all match: `*` stands for anything, and what begins with `^` is a regular expression."""

    written: Mapping[str, str]

    def matches(self, url: str) -> bool:
        parts = urlsplit(url)
        return all(
            re.match(
                pattern if pattern.startswith("^") else translate(pattern), str(getattr(parts, part) or "")
            )
            for part, pattern in self.written.items()
        )


def _parse_pattern(value: Any, _: Place) -> UrlPattern:
    if not isinstance(value, dict) or not value or not set(value) <= set(_PARTS):
        raise Unfit(f"must be a mapping with some of {', '.join(_PARTS)}")
    written = {part: str(pattern) for part, pattern in value.items()}
    for pattern in written.values():
        try:
            re.compile(pattern if pattern.startswith("^") else "")
        except re.error as error:
            raise Unfit(f"must have proper regular expressions: {error}") from None
    return UrlPattern(written)


Pattern = Annotated[
    UrlPattern,
    Kind("a mapping of parts of URLs to patterns", _parse_pattern, lambda value: dict(value.written)),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Previews:
    """The server looks at web pages for its users, so that they need not: it learns which, and the pages, who it is."""

    enabled: bool = option(
        False, "Whether clients can ask for previews of web pages.", key="url_preview_enabled"
    )
    ip_range_blocklist: tuple[Network, ...] = option(
        PRIVATE_RANGES,
        "Addresses where no page is looked at.",
        key="url_preview_ip_range_blacklist",
        aliases=("url_preview_ip_range_blocklist",),
    )
    ip_range_allowlist: tuple[Network, ...] = option(
        (),
        "Exceptions from `url_preview_ip_range_blacklist`.",
        key="url_preview_ip_range_whitelist",
        aliases=("url_preview_ip_range_allowlist",),
    )
    url_blocklist: tuple[Pattern, ...] = option(
        (),
        "URLs that are not looked at.",
        key="url_preview_url_blacklist",
        aliases=("url_preview_url_blocklist",),
    )
    max_spider_size: Size = option(10 * 1024**2, "The largest page or picture that is looked at.", minimum=1)
    accept_language: tuple[str, ...] = option(
        ("en",), "The languages that pages are asked for.", key="url_preview_accept_language"
    )
    disable_default_oembed_providers: bool = option(
        False,
        "Whether sites that tell more by oEmbed than in their pages, such as X, are looked at like all others.",
        key="oembed.disable_default_providers",
    )
    oembed_providers: tuple[FilePath, ...] = option(
        (),
        "Files with more such sites, in the form of https://oembed.com/providers.json.",
        key="oembed.additional_providers",
    )
