"""Reading HTML: what a page says of itself, by the Open Graph protocol (https://ogp.me/) or otherwise."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree, html

# What a page says of itself comes first; the rest would only take time.
_READ = 1024 * 1024
_MOST_TAGS = 50
_LONGEST_NAME = 50
_LONGEST_VALUE = 1000
_LONGEST_DESCRIPTION = 500
_CHARSET = re.compile(r'charset\s*=\s*"?([\w.:-]+)', re.IGNORECASE)
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Page:
    """`tags` are those of Open Graph, `og:…`; `image` and `oembed` are URLs as the page has them."""

    tags: dict[str, str]
    image: str | None
    oembed: str | None


def read_page(body: bytes, content_type: str) -> Page:
    """Takes anything; what is no HTML says nothing."""
    tree = _parse(body[:_READ], content_type)
    if tree is None:
        return Page({}, None, None)
    meta = dict(_meta(tree))
    tags = {name: value for name, value in meta.items() if name.startswith("og:")}
    _fill(tags, "og:title", meta.get("twitter:title") or _text(tree, "//title") or _text(tree, "//h1"))
    description = (
        meta.get("twitter:description") or meta.get("description") or _text(tree, "//p[string-length() > 50]")
    )
    _fill(tags, "og:description", description[:_LONGEST_DESCRIPTION])
    image = tags.pop("og:image", "") or meta.get("twitter:image") or _link(tree, "image_src")
    oembed = tree.xpath("//link[@rel='alternate'][@type='application/json+oembed']/@href")
    return Page(tags, image or None, str(oembed[0]) if oembed else None)


def text_of(fragment: str) -> str:
    """The words of a piece of HTML."""
    tree = _parse(fragment[:_READ].encode(), "text/html; charset=utf-8")
    return "" if tree is None else _text(tree, "//body")[:_LONGEST_DESCRIPTION]


def _parse(body: bytes, content_type: str) -> Any:
    charset = _CHARSET.search(content_type)
    try:
        parser = html.HTMLParser(
            encoding=charset[1] if charset else None, no_network=True, remove_comments=True
        )
    except LookupError:
        parser = html.HTMLParser(no_network=True, remove_comments=True)
    try:
        return html.document_fromstring(body, parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        # There is nothing in it that could be read.
        return None


def _meta(tree: Any) -> Iterator[tuple[str, str]]:
    """The first value of each name, which `dict` would take for the last."""
    found: dict[str, str] = {}
    for element in tree.iter("meta"):
        name = (element.get("property") or element.get("name") or "").strip().lower()
        value = _tidy(element.get("content") or "")
        if name and value and len(name) <= _LONGEST_NAME and len(found) < _MOST_TAGS:
            found.setdefault(name, value[:_LONGEST_VALUE])
    return iter(found.items())


def _fill(tags: dict[str, str], name: str, value: str) -> None:
    if name not in tags and value:
        tags[name] = value[:_LONGEST_VALUE]


def _text(tree: Any, path: str) -> str:
    """Of the first such element that has any."""
    for element in tree.xpath(path):
        for unseen in element.xpath(".//script | .//style | .//noscript"):
            unseen.drop_tree()
        text = _tidy(element.text_content())
        if text:
            return text
    return ""


def _link(tree: Any, rel: str) -> str:
    found = tree.xpath("//link[@rel=$rel]/@href", rel=rel)
    return str(found[0]) if found else ""


def _tidy(text: str) -> str:
    # NUL is no text for PostgreSQL, and lone surrogates are none for anybody.
    return _SPACE.sub(" ", text.replace("\0", "")).strip().encode("utf-8", "ignore").decode()
