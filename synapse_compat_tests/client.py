"""A client on the network, which knows of its server nothing but the address."""

import hmac
from hashlib import sha1
from http.client import HTTPConnection
from urllib.parse import urlsplit

from scripts.loopback import SHARED_SECRET
from tests.client import Answer, Client, Request

REGISTER = "/_synapse/admin/v1/register"
PASSWORD = "correct horse"
# More than any long poll that a test asks for.
TIMEOUT_SECONDS = 60.0


class HttpClient(Client):
    """Uses a new connection for each request, so that one may outlive its server."""

    def __init__(self, url: str, user_id: str = "", access_token: str = "", device_id: str = "") -> None:
        super().__init__(user_id, access_token, device_id)
        self.url = url

    def answer_to(self, request: Request) -> Answer:
        """Raises OSError or http.client.HTTPException where the server does not answer."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(request.method, request.target, request.body, dict(request.headers))
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())
        finally:
            connection.close()


def register(anonymous: HttpClient, username: str, *, admin: bool = False) -> HttpClient:
    """A new user, made with SHARED_SECRET, as no server has registration open without being told.

    https://element-hq.github.io/synapse/latest/admin_api/register_api.html
    """
    nonce = anonymous.get(REGISTER)["nonce"]
    signed = "\0".join((nonce, username, PASSWORD, "admin" if admin else "notadmin"))
    body = {
        "nonce": nonce,
        "username": username,
        "password": PASSWORD,
        "admin": admin,
        "mac": hmac.new(SHARED_SECRET.encode(), signed.encode(), sha1).hexdigest(),
    }
    return _signed_in(anonymous, anonymous.post(REGISTER, body))


def log_in(anonymous: HttpClient, user: HttpClient, device_id: str | None = None) -> HttpClient:
    """The user on one more device."""
    body = {
        **({} if device_id is None else {"device_id": device_id}),
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user.user_id},
        "password": PASSWORD,
    }
    return _signed_in(anonymous, anonymous.post("/login", body))


def _signed_in(anonymous: HttpClient, answer: Answer) -> HttpClient:
    return HttpClient(anonymous.url, answer["user_id"], answer["access_token"], answer["device_id"])
