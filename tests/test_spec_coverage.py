"""What is declared, beside what the specification describes: paths, who may call, and what is limited.

It prints the operations of the client API that are missing yet; pytest shows them with -rP.
"""

from collections.abc import Iterator

from homeserver.http.endpoint import Auth, Endpoint, Limit
from tests.spec import Operation, find_operation, operations
from tests.targets import NEEDS_TOKEN
from tests.wire import WireTestCase, each

# What is ours, or of tools that operators know, or of proposals that clients follow already.
_OTHERS = (
    "/_folkmoot/",
    "/_synapse/",
    "/health",
    "/metrics",
    "/_matrix/client/unstable/",
    "/_matrix/federation/unstable/",
)
# What older servers still ask for, and the specification no longer has.
_OLDER = (
    "/_matrix/key/v2/server/{key_id}",
    "/_matrix/key/v2/query/{server_name}/{key_id}",
    "/_matrix/federation/v1/3pid/onbind",
    "/_matrix/federation/v1/send_join/{room_id}/{event_id}",
    "/_matrix/federation/v1/send_leave/{room_id}/{event_id}",
)

# Operations that the specification limits and we do not.
_UNLIMITED = {
    "GET /_matrix/client/v1/rooms/{roomId}/hierarchy": "there is no setting for it, as in Synapse",
    "GET /_matrix/client/v3/rooms/{roomId}/aliases": "nor for it",
    "GET /_matrix/client/v1/rooms/{roomId}/threads": "nor for it",
    "GET /_matrix/client/v1/rooms/{roomId}/timestamp_to_event": "nor for it",
    "POST /_matrix/client/v3/search": "nor for it",
    "GET /_matrix/client/v3/voip/turnServer": "computed from memory",
    "GET /_matrix/client/v3/capabilities": "answered from memory",
    "GET /_matrix/client/v3/login": "answered from memory",
    "GET /_matrix/client/v3/account/whoami": "answered from memory",
    "POST /_matrix/client/v3/pushers/set": "there is no setting for it, as in Synapse",
    "POST /_matrix/client/v3/refresh": "takes a token that cannot be guessed",
    "POST /_matrix/client/v3/register": "accounts are counted, not the requests that lead to one",
    "GET /_matrix/client/v3/register/available": "counted with the accounts",
    "POST /_matrix/client/v3/account/password": "takes the password, and wrong ones are counted",
    "POST /_matrix/client/v3/account/deactivate": "takes the password, and wrong ones are counted",
    "POST /_matrix/client/v3/account/3pid/add": "takes the password, and wrong ones are counted",
    "POST /_matrix/client/v3/account/3pid/bind": "what the identity server is asked, it limits itself",
    "POST /_matrix/client/v1/login/get_token": "takes the password, and wrong ones are counted",
    "POST /_matrix/client/v3/user/{userId}/openid/request_token": "there is no setting for it, as in Synapse",
    "POST /_matrix/client/v3/rooms/{roomId}/leave": "no more can be left than was joined",
    "POST /_matrix/client/v3/rooms/{roomId}/forget": "no more can be forgotten than was left",
    "PUT /_matrix/client/v3/rooms/{roomId}/typing/{userId}": "there is no setting for it, as in Synapse",
    "POST /_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}": "nor for it",
    "POST /_matrix/client/v3/rooms/{roomId}/read_markers": "nor for it",
    **dict.fromkeys(
        [
            f"{method} /_matrix/client/v3/room_keys/keys{path}"
            for method in ("GET", "PUT", "DELETE")
            for path in ("", "/{roomId}", "/{roomId}/{sessionId}")
        ],
        "nor for it",
    ),
    "POST /_matrix/client/v3/room_keys/version": "nor for it",
    "GET /_matrix/client/v3/room_keys/version": "nor for it",
    **dict.fromkeys(
        [f"{method} /_matrix/client/v3/room_keys/version/{{version}}" for method in ("GET", "PUT", "DELETE")],
        "nor for it",
    ),
    "GET /_matrix/client/v1/mutual_rooms": "answered from memory",
    "POST /_matrix/media/v3/upload": "there is no setting for it, as in Synapse",
    "PUT /_matrix/media/v3/upload/{serverName}/{mediaId}": "the URIs are counted, and each takes one upload",
    "GET /_matrix/client/v1/media/config": "answered from memory",
    **dict.fromkeys(
        [
            f"GET {root}/{what}"
            for root in ("/_matrix/client/v1/media", "/_matrix/media/v3")
            for what in (
                "download/{serverName}/{mediaId}",
                "download/{serverName}/{mediaId}/{fileName}",
                "thumbnail/{serverName}/{mediaId}",
            )
        ],
        "there is no setting for it, as in Synapse",
    ),
    "PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}": "there is no setting for it, as in Synapse",
}


# Operations that take a token here and elsewhere also other proof.
_STRICTER = {
    "POST /_matrix/client/v3/account/deactivate": "an account ends in its own session alone",
}


# Its parts are in the text of the specification, but not in its files.
_IN_WORDS = ("/fallback/web", "/_matrix/consent")


# Of Synapse alone, beside other methods of the specification.
_SYNAPSE_METHODS = tuple(
    ("DELETE", f"/_matrix/client/{version}/directory/list/appservice/{{network_id}}/{{room_id}}")
    for version in ("v3", "r0")
)


# Operations that may be called without a token, although the files of the specification do not say so.
_OPENER = {
    "GET /_matrix/client/v1/room_summary/{roomIdOrAlias}": "its text allows it for rooms that are open",
}


# Operations of servers, of which the files of the specification say that they take a user's token.
_SIGNED = ("GET /_matrix/federation/v1/timestamp_to_event/{roomId}",)


# What guests may do: https://spec.matrix.org/v1.19/client-server-api/#guest-access
_OF_GUESTS = (
    *(
        f"GET /_matrix/client/v3/{path}"
        for path in (
            "rooms/{roomId}/state",
            "rooms/{roomId}/context/{eventId}",
            "rooms/{roomId}/event/{eventId}",
            "rooms/{roomId}/state/{eventType}/{stateKey}",
            "rooms/{roomId}/messages",
            "rooms/{roomId}/members",
            "rooms/{roomId}/initialSync",
            "sync",
            "events",
            "devices",
            "devices/{deviceId}",
            "account/whoami",
        )
    ),
    *(
        f"PUT /_matrix/client/v3/{path}"
        for path in (
            "rooms/{roomId}/send/{eventType}/{txnId}",
            "rooms/{roomId}/state/{eventType}/{stateKey}",
            "sendToDevice/{eventType}/{txnId}",
            "profile/{userId}/{keyName}",
            "devices/{deviceId}",
        )
    ),
    *(
        f"POST /_matrix/client/v3/{path}"
        for path in ("rooms/{roomId}/join", "rooms/{roomId}/leave", "keys/upload", "keys/query", "keys/claim")
    ),
    *(
        f"GET /_matrix/client/v1/media/{path}"
        for path in (
            "download/{serverName}/{mediaId}",
            "download/{serverName}/{mediaId}/{fileName}",
            "thumbnail/{serverName}/{mediaId}",
        )
    ),
)


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


class DeclarationTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        # Raises SkipTest where the specification is not at hand.
        operations()
        self.endpoints = self.server.dispatcher.endpoints

    def described(self) -> Iterator[tuple[Endpoint, Operation]]:
        """Every endpoint that the specification knows, with what it says of it."""
        for endpoint in self.endpoints:
            operation = find_operation(endpoint.method, endpoint.paths[0])
            if operation is not None:
                yield endpoint, operation

    def test_every_path_is_of_the_specification(self) -> None:
        def check(request: tuple[str, str]) -> None:
            _, path = request
            known = (
                path.startswith(_OTHERS)
                or path.endswith(_IN_WORDS)
                or path in _OLDER
                or request in _SYNAPSE_METHODS
                or find_operation(*request) is not None
            )
            self.assertTrue(known)

        each(check, [(endpoint.method, path) for endpoint in self.endpoints for path in endpoint.paths])

    def test_who_may_call(self) -> None:
        def check(case: tuple[Endpoint, Operation]) -> None:
            endpoint, operation = case
            if name_of(operation) in _OPENER:
                self.assertIs(endpoint.auth, Auth.OPTIONAL)
                return
            security = operation.description.get("security", [])
            is_needed = (bool(security) and {} not in security) or name_of(operation) in _STRICTER
            self.assertEqual(endpoint.auth in (*NEEDS_TOKEN, Auth.SERVER), is_needed)
            is_signed = {"signedRequest": []} in security or name_of(operation) in _SIGNED
            self.assertEqual(endpoint.auth is Auth.SERVER, is_signed)
            if {} in security and not is_needed:
                self.assertIs(endpoint.auth, Auth.OPTIONAL)

        each(check, list(self.described()))

    def test_what_guests_may_do(self) -> None:
        auth = {name_of(operation): endpoint.auth for endpoint, operation in self.described()}
        each(lambda name: self.assertIs(auth[name], Auth.GUEST), list(_OF_GUESTS))

    def test_what_is_limited(self) -> None:
        unlimited = {
            name_of(operation)
            for endpoint, operation in self.described()
            if "429" in operation.description["responses"] and endpoint.limit is Limit.NONE
        }
        self.assertEqual(unlimited, set(_UNLIMITED))

    def test_what_is_missing_yet(self) -> None:
        there = {operation for _, operation in self.described()}
        client_api = [each for each in operations() if each.file.parent.name == "client-server"]
        missing = sorted(name_of(operation) for operation in client_api if operation not in there)
        print(f"{len(missing)} of {len(client_api)} operations of the client API are missing yet:")
        print("\n".join(missing))
        self.assertGreater(len(there), 0)
