from pathlib import Path
from random import Random

import pytest
from jinja2 import UndefinedError

from homeserver.http.endpoint import Answer
from homeserver.runtime.randomness import Randomness
from homeserver.templates.pages import Pages
from homeserver.templates.rendering import Templates

_ALL = sorted((Path(__file__).parents[1] / "files").glob("*"))


def pages(directory: Path | None = None) -> Pages:
    return Pages(Templates(directory, "test"), Randomness(Random(1)))


def text(answer: Answer) -> str:
    assert isinstance(answer.body, bytes)
    return answer.body.decode()


def test_what_is_said_is_escaped() -> None:
    answer = pages().message("<b>Title</b>", "<script>alert(1)</script>", status=404)
    assert answer.status == 404
    assert "<script>" not in text(answer)
    assert "&lt;script&gt;alert(1)" in text(answer)
    assert "<title>&lt;b&gt;Title" in text(answer)


def test_browsers_run_nothing_but_the_pages_own() -> None:
    first, second = (pages().message("a", "b"), pages())
    headers = dict(first.headers)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    policy = headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
        assert rule in policy
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert f'<style nonce="{nonce}">' in text(first)
    again = dict(second.message("a", "b").headers)["Content-Security-Policy"]
    assert dict(second.message("a", "b").headers)["Content-Security-Policy"] != again


def test_others_whose_scripts_a_page_needs() -> None:
    answer = pages().page("recaptcha.html", trusted=("https://x",), session="", error="", public_key="k")
    policy = dict(answer.headers)["Content-Security-Policy"]
    assert "frame-src https://x;" in policy
    assert pages().message("a", "b").headers[1][1].count("https://") == 0


def test_operators_have_their_own_words(tmp_path: Path) -> None:
    (tmp_path / "message.html").write_text(
        '{% extends "layout.html" %}{% block body %}Ahoy, {{ text }}{% endblock %}'
    )
    assert "Ahoy, b" in text(pages(tmp_path).message("a", "b"))


def test_forgotten_values_are_errors() -> None:
    with pytest.raises(UndefinedError):
        Templates(None, "test").render("password_reset.txt")


@pytest.mark.parametrize("file", _ALL, ids=lambda file: file.name)
def test_every_mail_has_both_forms(file: Path) -> None:
    if file.suffix == ".txt":
        assert file.with_suffix(".html") in _ALL
    assert "http://" not in file.read_text()
