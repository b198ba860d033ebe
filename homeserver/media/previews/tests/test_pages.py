from random import Random

from homeserver.media.previews.pages import read_page, text_of

HTML = "text/html; charset=utf-8"


def read(body: str, content_type: str = HTML) -> dict[str, str]:
    return read_page(body.encode(), content_type).tags


def test_open_graph() -> None:
    page = read_page(
        b"""<!doctype html><html><head><title>no</title>
        <meta property="og:title" content=" A\n title ">
        <meta property="og:title" content="another">
        <meta property="og:description" content="&lt;b&gt;words">
        <meta property="og:image" content="/cat.png"><meta name="og:site_name" content="Site">
        <meta property="fb:app_id" content="1"><meta property="og:empty" content="">
        <link rel="alternate" type="application/json+oembed" href="/oembed?x=1&amp;y=2">""",
        HTML,
    )
    assert page.tags == {"og:title": "A title", "og:description": "<b>words", "og:site_name": "Site"}
    assert (page.image, page.oembed) == ("/cat.png", "/oembed?x=1&y=2")


def test_what_else_tells() -> None:
    assert read("<title>T</title><meta name=description content=D>") == {
        "og:title": "T",
        "og:description": "D",
    }
    assert read('<meta name="twitter:title" content=T><title>U</title>')["og:title"] == "T"
    words = "many words, " * 100
    tags = read(f"<h1>H</h1><p>few</p><p>{words}<script>let a</script></p>")
    assert tags["og:title"] == "H"
    assert tags["og:description"].startswith("many words, many")
    assert len(tags["og:description"]) == 500
    assert read_page(b'<link rel="image_src" href="a.png">', HTML).image == "a.png"
    assert read_page(b'<meta name="twitter:image" content="b.png">', HTML).image == "b.png"


def test_bounds() -> None:
    tags = "".join(f'<meta property="og:{i}" content="{"x" * 2000}">' for i in range(100))
    found = read(tags)
    assert len(found) == 50
    assert {len(value) for value in found.values()} == {1000}
    assert read(f'<meta property="og:{"a" * 60}" content="x">') == {}
    assert read("<title>" + "x" * 5000)["og:title"] == "x" * 1000


def test_characters() -> None:
    assert read_page("<title>käse".encode("latin-1"), "text/html; charset=iso-8859-1").tags == {
        "og:title": "käse"
    }
    assert read_page('<meta charset="utf-8"><title>käse'.encode(), "text/html").tags == {"og:title": "käse"}
    assert read_page(b"<title>x", "text/html; charset=nonsense").tags == {"og:title": "x"}
    assert read_page(b"<title>a\0b", HTML).tags["og:title"] in ("ab", "a", "a\ufffdb")
    assert read_page("<title>\U0001f408".encode("utf-16"), "text/html; charset=utf-16").tags == {
        "og:title": "\U0001f408"
    }


def test_what_is_none() -> None:
    for body in (
        b"",
        b" ",
        b"<!-- only -->",
        b"\0\0\0",
        b"\xff" * 1000,
        b"<?xml version='1.0'?>",
        b"<!DOCTYPE html>",
    ):
        page = read_page(body, HTML)
        assert (page.image, page.oembed) == (None, None)


def test_what_would_do_harm() -> None:
    entities = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><title>&b;</title>'
    assert len(read(entities).get("og:title", "")) < 100
    file = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><title>&a;</title>'
    assert "root" not in str(read(file))
    deep = "<div>" * 300_000 + "<title>x"
    read(deep)
    read("<meta property=og:a content=" + "a" * 3_000_000)
    chance = Random(1)
    for _ in range(50):
        read_page(bytes(chance.randrange(256) for _ in range(300)), HTML)


def test_text() -> None:
    assert text_of("<b>bold</b> <i>and</i> more<script>x</script>") == "bold and more"
    assert text_of("") == ""
