"""Client API: e-mail addresses and phone numbers of users.

https://spec.matrix.org/v1.19/client-server-api/#adding-account-administrative-contact-information
"""

from typing import Literal

import msgspec

from homeserver.accounts.address import EMAIL, parse_address
from homeserver.accounts.address_requests import AddressRequests
from homeserver.accounts.contacts import Contacts
from homeserver.accounts.reauthentication import Reauthentication
from homeserver.accounts.registration import Admission
from homeserver.accounts.validations import CONFIRM_PATH, Purpose, Validations, Wish
from homeserver.http.endpoint import Answer, Auth, Caller, Form, Limit, endpoint
from homeserver.http.requester import Requester
from homeserver.protocol.errors import ThreepidMediumNotSupported
from homeserver.protocol.json import JsonObject
from homeserver.templates.pages import Pages

_CLIENT = "/_matrix/client/(v3|r0)"


class EmailRequest(msgspec.Struct, frozen=True, kw_only=True):
    client_secret: str
    email: str
    send_attempt: int
    next_link: str | None = None

    def wish(self, purpose: Purpose) -> Wish:
        address = parse_address(EMAIL, self.email)
        return Wish(purpose, address, self.client_secret, self.send_attempt, self.next_link)


class PhoneRequest(msgspec.Struct, frozen=True, kw_only=True):
    client_secret: str
    country: str
    phone_number: str
    send_attempt: int
    next_link: str | None = None


class RequestedToken(msgspec.Struct, frozen=True):
    sid: str


class AddressRequestEndpoints:
    """Asking for an e-mail that confirms an address. What tells who has an account is not told."""

    def __init__(self, requests: AddressRequests, admission: Admission, contacts: Contacts) -> None:
        self._requests = requests
        self._admission = admission
        self._contacts = contacts

    @endpoint("POST", _CLIENT + "/register/email/requestToken", auth=Auth.NONE, limit=Limit.NONE)
    async def register_email(self, caller: Caller, body: EmailRequest) -> RequestedToken:
        """Confirms an address for registration."""
        self._admission.check_open()
        return RequestedToken(await self._requests.ask(body.wish("registration"), caller.address))

    @endpoint("POST", _CLIENT + "/account/3pid/email/requestToken", auth=Auth.OPTIONAL, limit=Limit.NONE)
    async def add_email(self, caller: Caller, body: EmailRequest) -> RequestedToken:
        """Confirms an address that will be added to an account."""
        self._contacts.check_changeable()
        return RequestedToken(await self._requests.ask(body.wish("add_threepid"), caller.address))

    @endpoint("POST", _CLIENT + "/account/password/email/requestToken", auth=Auth.NONE, limit=Limit.NONE)
    async def reset_by_email(self, caller: Caller, body: EmailRequest) -> RequestedToken:
        """Sends a link that lets the owner of an address set a new password."""
        return RequestedToken(await self._requests.ask(body.wish("password_reset"), caller.address))

    @endpoint("POST", _CLIENT + "/register/msisdn/requestToken", auth=Auth.NONE, limit=Limit.NONE)
    async def register_phone(self, body: PhoneRequest) -> RequestedToken:
        """Refuses to confirm a phone number for registration."""
        raise _no_messages()

    @endpoint("POST", _CLIENT + "/account/3pid/msisdn/requestToken", auth=Auth.OPTIONAL, limit=Limit.NONE)
    async def add_phone(self, body: PhoneRequest) -> RequestedToken:
        """Refuses to confirm a phone number that would be added to an account."""
        raise _no_messages()

    @endpoint("POST", _CLIENT + "/account/password/msisdn/requestToken", auth=Auth.NONE, limit=Limit.NONE)
    async def reset_by_phone(self, body: PhoneRequest) -> RequestedToken:
        """Refuses to let the owner of a phone number set a new password."""
        raise _no_messages()


def _no_messages() -> ThreepidMediumNotSupported:
    return ThreepidMediumNotSupported("No messages are sent to phone numbers, so they cannot be confirmed")


class ListedAddress(msgspec.Struct, frozen=True):
    medium: str
    address: str
    validated_at: int
    added_at: int


class AddressList(msgspec.Struct, frozen=True):
    threepids: list[ListedAddress]


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Of a confirmation that this server sent."""

    client_secret: str
    sid: str


class AdditionBody(Credentials, frozen=True, kw_only=True):
    auth: JsonObject | None = None


class BindingBody(Credentials, frozen=True, kw_only=True):
    id_server: str
    id_access_token: str


class OldBindingBody(msgspec.Struct, frozen=True, kw_only=True):
    three_pid_creds: BindingBody


class AddressBody(msgspec.Struct, frozen=True, kw_only=True):
    medium: str
    address: str
    id_server: str | None = None


class Unbound(msgspec.Struct, frozen=True):
    id_server_unbind_result: Literal["success", "no-support"]


class AddressEndpoints:
    """The requester's own addresses."""

    def __init__(self, contacts: Contacts, reauthentication: Reauthentication) -> None:
        self._contacts = contacts
        self._reauthentication = reauthentication

    @endpoint("GET", _CLIENT + "/account/3pid", auth=Auth.USER, limit=Limit.NONE)
    async def addresses(self, requester: Requester) -> AddressList:
        """Lists the addresses of the account."""
        found = await self._contacts.list(requester.user_nid)
        return AddressList([ListedAddress(*address) for address in found])

    @endpoint("POST", _CLIENT + "/account/3pid/add", auth=Auth.USER, limit=Limit.NONE)
    async def add(self, requester: Requester, body: AdditionBody) -> JsonObject:
        """Adds a confirmed address."""
        self._contacts.check_changeable()
        await self._reauthentication.require_lately(requester, "POST /account/3pid/add", body, body.auth)
        await self._contacts.add(requester.user_nid, body.sid, body.client_secret)
        return {}

    @endpoint("POST", _CLIENT + "/account/3pid/delete", auth=Auth.USER, limit=Limit.NONE, suspended=False)
    async def delete(self, requester: Requester, body: AddressBody) -> Unbound:
        """Removes an address."""
        address = parse_address(body.medium, body.address)
        return _unbound(await self._contacts.remove(requester, address, body.id_server))

    @endpoint("POST", _CLIENT + "/account/3pid", auth=Auth.USER, limit=Limit.NONE)
    async def bind_the_old_way(self, requester: Requester, body: OldBindingBody) -> JsonObject:
        """Has an identity server publish an address; deprecated."""
        return await self.bind(requester, body.three_pid_creds)

    @endpoint("POST", _CLIENT + "/account/3pid/bind", auth=Auth.USER, limit=Limit.NONE)
    async def bind(self, requester: Requester, body: BindingBody) -> JsonObject:
        """Has an identity server publish an address."""
        await self._contacts.bind(
            requester, body.id_server, body.id_access_token, body.sid, body.client_secret
        )
        return {}

    @endpoint("POST", _CLIENT + "/account/3pid/unbind", auth=Auth.USER, limit=Limit.NONE)
    async def unbind(self, requester: Requester, body: AddressBody) -> Unbound:
        """Has an identity server publish an address no longer."""
        address = parse_address(body.medium, body.address)
        return _unbound(await self._contacts.unbind(requester, address, body.id_server))


def _unbound(is_unbound: bool) -> Unbound:
    return Unbound("success" if is_unbound else "no-support")


class LinkQuery(msgspec.Struct, frozen=True):
    sid: str = ""
    token: str = ""


class LinkForm(Form, frozen=True):
    sid: str = ""
    token: str = ""


_QUESTIONS: dict[str, tuple[str, str, str]] = {
    "registration": (
        "Confirm your address",
        "Confirm that this address is yours to finish registering.",
        "Confirm",
    ),
    "add_threepid": (
        "Confirm your address",
        "Confirm that this address is to belong to your account.",
        "Confirm",
    ),
    "password_reset": (
        "Set a new password",
        "Only confirm if you asked for this yourself, in your own app: whoever did can then set a new password.",
        "I asked for this",
    ),
}


class ConfirmationEndpoints:
    """Where the links of e-mails lead. Opening one does nothing yet, as programs that look for viruses open them."""

    def __init__(self, validations: Validations, pages: Pages) -> None:
        self._validations = validations
        self._pages = pages

    @endpoint("GET", CONFIRM_PATH, auth=Auth.NONE, limit=Limit.NONE)
    async def question(self, query: LinkQuery) -> Answer:
        """Asks whether the reader of an e-mail wants what it says."""
        found = await self._validations.waiting(query.sid, query.token)
        if found is None:
            return self._too_late()
        heading, question, action = _QUESTIONS[found.purpose]
        return self._pages.page(
            "confirm_address.html",
            heading=heading,
            question=f"{question} The address is {found.address.address}.",
            action=action,
            sid=query.sid,
            token=query.token,
        )

    @endpoint("POST", CONFIRM_PATH, auth=Auth.NONE, limit=Limit.NONE)
    async def confirm(self, body: LinkForm) -> Answer:
        """Notes that the reader of an e-mail wants what it says."""
        found = await self._validations.confirm(body.sid, body.token)
        if found is None:
            return self._too_late()
        if found.next_link is not None:
            return Answer(303, b"", (("Location", found.next_link),))
        return self._pages.message("Thank you", "This is confirmed. Go back to your app to go on.")

    def _too_late(self) -> Answer:
        return self._pages.message(
            "Too late", "This link is not good, or no longer. Ask for a new e-mail in your app.", status=400
        )
