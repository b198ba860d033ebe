from tests.wire import WireTestCase


class IntegerTests(WireTestCase):
    def test_integers_that_could_not_be_kept_are_refused(self) -> None:
        alice = self.register("alice")
        path = f"/user/{alice.user_id}/account_data/org.example"
        self.assertEqual(alice.put(path, {"deep": [{"n": 2**70}]}).error, (400, "M_BAD_JSON"))
        self.assertEqual(alice.put(path, {"text": "9" * 40, "n": 2**63 - 1}).status, 200)
        self.assertEqual(alice.get(path).json, {"text": "9" * 40, "n": 2**63 - 1})
