from tests.wire import WireTestCase, each


class NoNetworkTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.register("alice")

    def test_no_protocols(self) -> None:
        self.assertEqual(self.alice.get("/thirdparty/protocols").json, {})

    def test_what_is_not_known(self) -> None:
        def check(path: str) -> None:
            self.assertEqual(self.alice.get(path).error, (404, "M_NOT_FOUND"))

        each(check, ["/thirdparty/protocol/irc", "/thirdparty/location/irc", "/thirdparty/user/irc"])
        for path, query in (("location", {"alias": "#a:test"}), ("user", {"userid": "@a:test"})):
            self.assertEqual(self.alice.get(f"/thirdparty/{path}", **query).error, (404, "M_NOT_FOUND"))

    def test_what_is_asked_wrongly(self) -> None:
        for kind, query in (("location", {"alias": "a"}), ("user", {"userid": "a"})):
            path = f"/thirdparty/{kind}"
            self.assertEqual(self.alice.get(path).error, (400, "M_MISSING_PARAM"))
            self.assertEqual(self.alice.get(path, **query).error, (400, "M_INVALID_PARAM"))
