"""Files cross between two servers, as their operators have them, over TLS."""

import json
import secrets
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from federation.tests.tls_servers import HOST, PASSWORD, Server, two_servers
from homeserver.media.tests.pictures import picture

DOWNLOAD = "/_matrix/client/v1/media/download"
THUMBNAIL = "/_matrix/client/v1/media/thumbnail"
MOST = 3 * 1024**2


class Person:
    """A user of one of the servers."""

    def __init__(self, server: Server) -> None:
        self._port = server.port
        name = f"user{secrets.token_hex(4)}"
        server.register(name)
        login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": name}}
        _, session = server.as_client("POST", "/_matrix/client/v3/login", {**login, "password": PASSWORD})
        self._token = session["access_token"]

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any, bytes]:
        connection = HTTPConnection(HOST, self._port, timeout=60)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {self._token}", **headers})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def upload(self, content: bytes, content_type: str = "image/png") -> str:
        """Its path below the download endpoints."""
        headers = {"Content-Type": content_type}
        status, _, body = self.ask("POST", "/_matrix/media/v3/upload?filename=a%20b.png", content, **headers)
        assert status == 200, body
        return "/" + str(json.loads(body)["content_uri"]).removeprefix("mxc://")

    def error(self, path: str) -> tuple[int, str]:
        status, _, body = self.ask("GET", path)
        return status, json.loads(body)["errcode"]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    with two_servers(tmp_path_factory.mktemp("certificates"), max_upload_size=MOST) as pair:
        yield pair


@pytest.fixture(scope="module")
def people(servers: tuple[Server, Server]) -> tuple[Person, Person]:
    here, there = servers
    return Person(here), Person(there)


def test_a_file_comes_across_as_it_is(people: tuple[Person, Person]) -> None:
    for ours, theirs in (people, people[::-1]):
        content = secrets.token_bytes(MOST)
        path = theirs.upload(content)
        status, headers, body = ours.ask("GET", DOWNLOAD + path)
        assert (status, headers["Content-Type"], body == content) == (200, "image/png", True)
        assert headers["Content-Disposition"] == 'inline; filename="a b.png"'
        status, headers, body = ours.ask("GET", DOWNLOAD + path, Range="bytes=1000000-1999999")
        assert (status, body) == (206, content[1_000_000:2_000_000])


def test_an_empty_one_and_one_that_looks_like_the_envelope(people: tuple[Person, Person]) -> None:
    ours, theirs = people
    for content in (b"", b"\r\n--\r\n\r\n{}\r\n--x--\r\n"):
        _, headers, body = ours.ask("GET", DOWNLOAD + theirs.upload(content, "text/plain"))
        assert (headers["Content-Type"], body) == ("text/plain", content)


def test_thumbnails_of_it(people: tuple[Person, Person]) -> None:
    ours, theirs = people
    path = theirs.upload(picture(600, 400))
    status, headers, body = ours.ask("GET", f"{THUMBNAIL}{path}?width=96&height=96&method=crop")
    assert (status, headers["Content-Type"].partition("/")[0]) == (200, "image")
    assert 0 < len(body) < len(picture(600, 400))


def test_what_there_is_not(servers: tuple[Server, Server], people: tuple[Person, Person]) -> None:
    ours, theirs = people
    assert ours.error(f"{DOWNLOAD}/{servers[1].server_name}/nothing") == (404, "M_NOT_FOUND")
    assert ours.error(f"{DOWNLOAD}/{HOST}:1/nothing")[0] in (502, 504)
    # Announced, but not uploaded; it comes while somebody waits.
    _, _, body = theirs.ask("POST", "/_matrix/media/v1/create")
    path = "/" + json.loads(body)["content_uri"].removeprefix("mxc://")
    assert ours.error(f"{DOWNLOAD}{path}?timeout_ms=0") == (504, "M_NOT_YET_UPLOADED")
    theirs.ask("PUT", f"/_matrix/media/v3/upload{path}", b"late")
    assert ours.ask("GET", DOWNLOAD + path)[2] == b"late"


def test_without_a_token(servers: tuple[Server, Server], people: tuple[Person, Person]) -> None:
    path = people[1].upload(b"secret")
    status, answer = servers[0].as_client("GET", DOWNLOAD + path)
    assert (status, answer["errcode"]) == (401, "M_MISSING_TOKEN")
    status, answer = servers[0].as_client("GET", f"/_matrix/media/v3/download{path}")
    assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")


def test_it_stays_when_its_server_is_gone(
    servers: tuple[Server, Server], people: tuple[Person, Person]
) -> None:
    ours, theirs = people
    kept, unknown = theirs.upload(b"kept"), theirs.upload(b"unknown")
    ours.ask("GET", DOWNLOAD + kept)
    servers[1].stop()
    try:
        assert ours.ask("GET", DOWNLOAD + kept)[2] == b"kept"
        assert ours.error(DOWNLOAD + unknown) == (502, "M_UNKNOWN")
    finally:
        servers[1].start()
