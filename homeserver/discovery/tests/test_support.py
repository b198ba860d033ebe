from typing import ClassVar

from tests.wire import WireTestCase

_PATH = "/.well-known/matrix/support"


class SupportTests(WireTestCase):
    settings: ClassVar = [
        "admin_contact=mailto:admin@example.org",
        "support_page=https://example.org/help",
        "support_contacts=[{role: m.role.security, matrix_id: '@eve:test', email_address: eve@example.org}]",
    ]

    def test_whom_to_turn_to(self) -> None:
        self.assertEqual(
            self.anonymous.get(_PATH).json,
            {
                "contacts": [
                    {"role": "m.role.admin", "email_address": "admin@example.org"},
                    {
                        "role": "m.role.security",
                        "matrix_id": "@eve:test",
                        "email_address": "eve@example.org",
                    },
                ],
                "support_page": "https://example.org/help",
            },
        )


class UserTests(WireTestCase):
    settings: ClassVar = ["admin_contact='@admin:test'"]

    def test_an_administrator_may_be_a_user(self) -> None:
        contact = {"role": "m.role.admin", "matrix_id": "@admin:test"}
        self.assertEqual(self.anonymous.get(_PATH).json, {"contacts": [contact]})


class NobodyTests(WireTestCase):
    def test_nobody(self) -> None:
        self.assertEqual(self.anonymous.get(_PATH).error, (404, "M_NOT_FOUND"))
