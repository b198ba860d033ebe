"""Third-party identifiers: e-mail addresses and phone numbers, in the one form in which they are compared.

https://spec.matrix.org/v1.19/appendices/#3pid-types
"""

import re
from typing import NamedTuple

from phonenumbers import NumberParseException, PhoneNumberFormat, format_number
from phonenumbers import parse as parse_number

from homeserver.protocol.errors import InvalidParam

EMAIL, MSISDN = "email", "msisdn"

# What every mail server takes; who can read mail there is found out by sending some.
_EMAIL = re.compile(r"[^@\s\0,;<>\"()\[\]\\:]{1,64}@[^@\s\0,;<>\"()\[\]\\:]{1,253}")
_PHONE = re.compile(r"\d{5,15}")
_SEPARATORS = re.compile(r"[\s()./-]")


class Address(NamedTuple):
    """`medium` is `email` or `msisdn`; `address` is canonical."""

    medium: str
    address: str


def parse_address(medium: str, address: str) -> Address:
    """Raises InvalidParam where there is no such address."""
    if medium == EMAIL:
        # Hardly any mail server tells names by their case, and none should take two people for one.
        canonical, shape = address.strip().casefold(), _EMAIL
    elif medium == MSISDN:
        canonical, shape = _SEPARATORS.sub("", address).removeprefix("+").removeprefix("00"), _PHONE
    else:
        raise InvalidParam("medium must be email or msisdn")
    if shape.fullmatch(canonical) is None:
        raise InvalidParam(f"This is no address of the medium {medium}")
    return Address(medium, canonical)


def parse_phone(country: str | None, number: str) -> Address:
    """A phone number as it is dialled in a country, which is an ISO 3166-1 code such as `GB`.

    Without a country it must be an international number. Raises InvalidParam.
    """
    if country is None:
        return parse_address(MSISDN, number)
    try:
        parsed = parse_number(number, country.upper())
    except NumberParseException as error:
        raise InvalidParam("This is no phone number of that country") from error
    return parse_address(MSISDN, format_number(parsed, PhoneNumberFormat.E164))
