"""Files on both servers: what they take, and how they give it out again."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from homeserver.media.remote import file_name_of
from homeserver.media.tests.pictures import animation, decoded, picture
from synapse_compat_tests.client import HttpClient, register
from tests.client import Answer, Request
from tests.spec import operations

_runs = itertools.count(1)
UPLOAD = "/_matrix/media/v3/upload"
MEDIA = "/_matrix/client/v1/media"
# What clients go by. The policy for browsers is the specification's here, and a little another there.
HEADERS = (
    "content-type",
    "content-length",
    "cross-origin-resource-policy",
    "access-control-allow-origin",
)
# Of a thumbnail, what two encoders do alike.
THUMBNAILS = [
    (picture(800, 400), 32, 32, "crop"),
    (picture(800, 400), 300, 200, "scale"),
    (picture(800, 400), 640, 480, "scale"),
    (picture(400, 800, "JPEG"), 96, 96, "crop"),
    (picture(900, 900, "WEBP"), 800, 600, "scale"),
    (animation(400, 400, 3), 320, 240, "scale"),
]
Facts = dict[str, Any]


def errors(answer: Answer) -> Facts:
    return {"status": answer.status, "errcode": answer.json.get("errcode")}


def downloads(alice: HttpClient) -> Iterator[tuple[str, Facts]]:
    for content_type in (
        "image/png",
        "text/html",
        "text/plain",
        "application/pdf",
        "image/svg+xml",
        "video/mp4",
    ):
        for name in ("", "cat.png", "my cat.png", "käse.png"):
            path = _uploaded(alice, b"some bytes", content_type, name)
            answer = alice.get(f"{MEDIA}/download{path}")
            facts = {header: answer.headers.get(header) for header in HEADERS}
            yield (
                f"{content_type} {name}",
                {"status": answer.status, "body": answer.body, **_named(answer), **facts},
            )
    path = _uploaded(alice, b"some bytes", "image/png", "cat.png")
    named = alice.get(f"{MEDIA}/download{path}/dog.png")
    yield "by another name", {"body": named.body, **_named(named)}


def _named(answer: Answer) -> Facts:
    """Names may be written in several ways."""
    header = answer.headers["content-disposition"]
    return {"kind": header.partition(";")[0], "name": file_name_of(header)}


def refusals(alice: HttpClient, anonymous: HttpClient) -> Iterator[tuple[str, Facts]]:
    path = _uploaded(alice, b"some bytes", "image/png", "")
    reserved = alice.post("/_matrix/media/v1/create")
    reserved_path = "/" + reserved["content_uri"].removeprefix("mxc://")
    yield "create", {"keys": sorted(reserved.json)}
    yield "no token to upload", errors(anonymous.request("POST", UPLOAD, b"x"))
    yield "no token to download", errors(anonymous.get(f"{MEDIA}/download{path}"))
    yield "frozen", errors(anonymous.get(f"/_matrix/media/v3/download{path}"))
    yield "frozen thumbnail", errors(anonymous.get(f"/_matrix/media/v3/thumbnail{path}", width=32, height=32))
    yield "nothing", errors(alice.get(f"{MEDIA}/download/localhost/nothing"))
    yield (
        "no thumbnail of nothing",
        errors(alice.get(f"{MEDIA}/thumbnail/localhost/nothing", width=32, height=32)),
    )
    yield "no size", errors(alice.get(f"{MEDIA}/thumbnail{path}"))
    yield "not yet", errors(alice.get(f"{MEDIA}/download{reserved_path}", timeout_ms=0))
    yield "filled", {"status": alice.request("PUT", UPLOAD + reserved_path, b"x").status}
    yield "filled again", errors(alice.request("PUT", UPLOAD + reserved_path, b"x"))
    yield "of somebody else", errors(alice.request("PUT", f"{UPLOAD}/localhost/nothing", b"x"))
    yield "config", alice.get(f"{MEDIA}/config").json
    yield "no previews", errors(alice.get(f"{MEDIA}/preview_url", url="https://a.example/"))
    for frozen in ("/_matrix/media/v3", "/_matrix/media/r0"):
        yield f"named below {frozen}", errors(anonymous.get(f"{frozen}/download{path}/cat.png"))
        yield f"config below {frozen}", alice.get(f"{frozen}/config").json
        yield f"no token for it below {frozen}", errors(anonymous.get(f"{frozen}/config"))
        yield (
            f"no previews below {frozen}",
            errors(alice.get(f"{frozen}/preview_url", url="https://a.example/")),
        )


def thumbnails(alice: HttpClient) -> Iterator[tuple[str, Facts]]:
    for number, (content, width, height, method) in enumerate(THUMBNAILS):
        path = _uploaded(alice, content, "image/png", "")
        answer = alice.get(f"{MEDIA}/thumbnail{path}", width=width, height=height, method=method)
        assert answer.status == 200, answer.body
        facts = {header: answer.headers.get(header) for header in HEADERS[2:]}
        yield f"picture {number}", {"size": decoded(answer.body).size, **facts}


def test_downloads(servers: Mapping[str, str]) -> None:
    ours, theirs = _both(servers, lambda alice, _: dict(downloads(alice)))
    for case, facts in theirs.items():
        # Synapse takes all text for UTF-8; the specification has "the content type of the file that was uploaded".
        facts["content-type"] = facts.get("content-type", "").removesuffix("; charset=UTF-8")
        assert {"content-type": "", **ours[case]} == facts, case


def test_refusals(servers: Mapping[str, str]) -> None:
    ours, theirs = _both(servers, lambda alice, anonymous: dict(refusals(alice, anonymous)))
    for case, facts in theirs.items():
        assert ours[case] == facts, case


def test_thumbnails(servers: Mapping[str, str]) -> None:
    ours, theirs = _both(servers, lambda alice, _: dict(thumbnails(alice)))
    for case, facts in theirs.items():
        assert ours[case] == facts, case


def test_every_operation_is_visited(servers: Mapping[str, str]) -> None:
    asked: list[tuple[str, str]] = []
    answer_to = HttpClient.answer_to

    def noting(client: HttpClient, request: Request) -> Answer:
        asked.append((request.method, urlsplit(request.target).path))
        return answer_to(client, request)

    anonymous = HttpClient(servers["folkmoot"])
    alice = register(anonymous, f"media{next(_runs)}")
    with patch.object(HttpClient, "answer_to", noting):
        for scenario in (downloads(alice), refusals(alice, anonymous), thumbnails(alice)):
            for _ in scenario:
                """What comes of it is compared above."""
    described = [one for one in operations() if one.file.stem in ("content-repo", "authed-content-repo")]
    assert len(described) == 13
    missing = [one for one in described if not any(one.fits(*request) for request in asked)]
    assert missing == []


def _both(servers: Mapping[str, str], scenario: Any) -> tuple[dict[str, Facts], dict[str, Facts]]:
    run = next(_runs)
    found = {}
    for name, url in servers.items():
        anonymous = HttpClient(url)
        found[name] = scenario(register(anonymous, f"media{run}"), anonymous)
    return found["folkmoot"], found["synapse"]


def _uploaded(user: HttpClient, content: bytes, content_type: str, name: str) -> str:
    query = {"filename": name} if name else {}
    answer = user.request("POST", UPLOAD, content, query=query, headers={"Content-Type": content_type})
    return "/" + str(answer["content_uri"]).removeprefix("mxc://")
