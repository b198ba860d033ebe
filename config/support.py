"""Whom to turn to about this server."""

from collections.abc import Sequence
from dataclasses import dataclass

from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody to turn to, by Matrix, by e-mail, or both."""

    role: str = option("m.role.admin", "`m.role.admin`, `m.role.security`, or a role with a name of its own.")
    matrix_id: str | None = option(None, "A user ID, perhaps on another server.")
    email_address: str | None = option(None, "An e-mail address.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Whom to turn to about this server. With any of it, `/.well-known/matrix/support` tells."""

    admin_contact: str | None = option(None, "The administrator, as `mailto:admin@example.org` or a user ID.")
    page: str | None = option(None, "A web page that helps users of this server.", key="support_page")
    others: tuple[Contact, ...] = option((), "Others to turn to.", key="support_contacts")

    @property
    def contacts(self) -> Sequence[Contact]:
        """The administrator and the others."""
        if self.admin_contact is None:
            return self.others
        if self.admin_contact.startswith("@"):
            return (Contact(matrix_id=self.admin_contact), *self.others)
        return (Contact(email_address=self.admin_contact.removeprefix("mailto:")), *self.others)
