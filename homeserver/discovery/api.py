"""Client API: what this server is, where it is and what it can do."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from config.support import Support
from homeserver.http.endpoint import Auth, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import NotFound
from homeserver.protocol.json import JsonObject

# Clients take a version in this list as a promise. It grows as operations of the specification do.
_VERSIONS = [f"v1.{minor}" for minor in range(1, 11)]
# What clients ask for before they use it, by the names they know it by.
_UNSTABLE_FEATURES = {
    "com.beeper.msc4446": True,  # the fully read marker can move back
    "fi.mau.msc2246.stable": True,  # uploads under a URI announced beforehand
    "org.matrix.e2e_cross_signing": True,
    "org.matrix.msc3026.busy_presence": True,
    "org.matrix.msc3030": True,  # /timestamp_to_event
    "org.matrix.msc3391": True,  # account data can be deleted
    "org.matrix.msc3440.stable": True,  # threads
    "org.matrix.msc3771": True,  # receipts for threads
    "org.matrix.msc3773": True,  # unread counts for threads
    "org.matrix.msc3814": True,  # dehydrated devices
    "org.matrix.msc3856": True,  # the list of threads
    "org.matrix.msc3881": True,  # pushers can be switched off, also from another session
    "org.matrix.msc3912": True,  # redactions of what relates to an event
    "org.matrix.msc3916.stable": True,  # downloads with a token
    "org.matrix.msc3952_intentional_mentions": True,
    "org.matrix.msc3981": True,  # relations of relations
    "org.matrix.msc3827.stable": True,  # types of rooms in the list of public ones
    "org.matrix.msc4155": True,  # whom users want to be invited by
    "org.matrix.msc4222": True,  # state after the timeline in /sync
    "org.matrix.msc4380.stable": True,
    "org.matrix.msc4169": True,  # redactions by /send
    "org.matrix.msc4293": True,  # kicks and bans that redact
    "uk.half-shot.msc2666.query_mutual_rooms": True,
    "uk.half-shot.msc2666.query_mutual_rooms.stable": True,
    "uk.tcpip.msc4133": True,  # custom fields of profiles
    "uk.tcpip.msc4133.stable": True,
    "uk.timedout.msc4323": True,  # administrators lock and suspend accounts
}


class Versions(msgspec.Struct):
    versions: list[str]
    unstable_features: dict[str, bool]


class Homeserver(msgspec.Struct):
    base_url: str


class ClientWellKnown(msgspec.Struct):
    homeserver: Homeserver = msgspec.field(name="m.homeserver")


class ServerWellKnown(msgspec.Struct):
    server: str = msgspec.field(name="m.server")


class SupportContact(msgspec.Struct, omit_defaults=True):
    role: str
    matrix_id: str | None = None
    email_address: str | None = None


class SupportWellKnown(msgspec.Struct, omit_defaults=True):
    contacts: list[SupportContact] = []
    support_page: str | None = None


class Capabilities(msgspec.Struct):
    capabilities: JsonObject


class CapabilitySource(Protocol):
    """A part of the server that has something to say of what it can do."""

    async def capabilities(self) -> JsonObject:
        """By their names."""


class DiscoveryEndpoints:
    """https://spec.matrix.org/v1.19/client-server-api/#server-discovery and #capabilities-negotiation"""

    def __init__(
        self,
        *,
        server_name: str,
        base_url: str | None,
        serve_server_wellknown: bool,
        support: Support,
        default_room_version: str,
        room_versions: Sequence[str],
        fixed_profile_fields: Sequence[str],
        switches: Mapping[str, bool],
        sources: Sequence[CapabilitySource],
    ) -> None:
        """`base_url` is where clients reach the server, None where the operator did not say.

        `switches` are capabilities that the configuration switches on or off.
        """
        self._profile_fields: JsonObject = {"enabled": True}
        if fixed_profile_fields:
            self._profile_fields["disallowed"] = list(fixed_profile_fields)
        self._switches: JsonObject = {name: {"enabled": is_on} for name, is_on in switches.items()}
        self._sources = sources
        self._server_name = server_name
        self._base_url = base_url
        self._serve_server_wellknown = serve_server_wellknown
        self._support = support
        self._room_versions: JsonObject = {
            "default": default_room_version,
            "available": dict.fromkeys(room_versions, "stable"),
        }

    @endpoint("GET", "/_matrix/client/versions", auth=Auth.OPTIONAL, limit=Limit.NONE)
    async def versions(self) -> Versions:
        """The versions of the specification that the server follows."""
        return Versions(_VERSIONS, _UNSTABLE_FEATURES)

    @endpoint("GET", "/.well-known/matrix/client", auth=Auth.NONE, limit=Limit.NONE)
    async def client_well_known(self) -> ClientWellKnown:
        """Where clients reach the server."""
        if self._base_url is None:
            raise NotFound("public_baseurl is not set on this server")
        return ClientWellKnown(Homeserver(self._base_url))

    @endpoint("GET", "/.well-known/matrix/server", auth=Auth.NONE, limit=Limit.NONE)
    async def server_well_known(self) -> ServerWellKnown:
        """Where other servers reach this one."""
        if not self._serve_server_wellknown:
            raise NotFound("serve_server_wellknown is not set on this server")
        host = self._server_name if self._server_name.endswith("]") else self._server_name.rsplit(":", 1)[0]
        return ServerWellKnown(f"{host}:443")

    @endpoint("GET", "/.well-known/matrix/support", auth=Auth.NONE, limit=Limit.NONE)
    async def support(self) -> SupportWellKnown:
        """Whom to turn to about this server."""
        if not self._support.contacts and self._support.page is None:
            raise NotFound("Nobody is named to turn to about this server")
        contacts = [
            SupportContact(contact.role, contact.matrix_id, contact.email_address)
            for contact in self._support.contacts
        ]
        return SupportWellKnown(contacts, self._support.page)

    @endpoint("GET", "/_matrix/client/(v3|r0)/capabilities", auth=Auth.GUEST, limit=Limit.NONE)
    async def capabilities(self, requester: Requester) -> Capabilities:
        """What users can do on this server."""
        further: JsonObject = {}
        for source in self._sources:
            further |= await source.capabilities()
        return Capabilities(
            {
                **further,
                "m.room_versions": self._room_versions,
                "m.profile_fields": self._profile_fields,
                **self._switches,
                **({"m.account_moderation": {"suspend": True, "lock": True}} if requester.is_admin else {}),
            }
        )
