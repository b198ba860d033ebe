from typing import Any

from homeserver.e2ee.tests.keys import CrossSigningKeys, answered, keys_of, publish, query
from tests.client import Answer
from tests.wire import PASSWORD, WireClient, WireTestCase, each

Json = Any
UPLOAD = "/keys/device_signing/upload"


class CrossSigningTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.keys = CrossSigningKeys("@alice:test")

    def bootstrap(self, client: WireClient) -> CrossSigningKeys:
        keys = CrossSigningKeys(client.user_id)
        self.assertEqual(client.post(UPLOAD, keys.body()).json, {})
        return keys

    def sign(self, client: WireClient, user_id: str, key_id: str, key: Json) -> Json:
        """The failures."""
        answer = client.post("/keys/signatures/upload", {user_id: {key_id: key}})
        self.assertEqual(answer.status, 200, answer.body)
        return answer["failures"]


class UploadTests(CrossSigningTestCase):
    def test_the_first_keys_take_no_password(self) -> None:
        self.bootstrap(self.alice)
        found = query(self.alice, self.alice)
        for usage in ("self_signing", "user_signing"):
            self.assertEqual(found[f"{usage}_keys"], {"@alice:test": self.keys.key(usage)})
        self.assertEqual(found["master_keys"]["@alice:test"]["keys"], self.keys.key("master")["keys"])

    def test_only_their_owner_sees_the_user_signing_key(self) -> None:
        self.bootstrap(self.alice)
        found = query(self.bob, self.alice)
        self.assertEqual((list(found["master_keys"]), found["user_signing_keys"]), (["@alice:test"], {}))
        self.assertEqual(found["self_signing_keys"], {"@alice:test": self.keys.key("self_signing")})

    def test_other_keys_take_the_password(self) -> None:
        self.bootstrap(self.alice)
        new = CrossSigningKeys("@alice:test", generation=2)
        refused = self.alice.post(UPLOAD, new.body())
        self.assertEqual((refused.status, refused.json["flows"]), (401, [{"stages": ["m.login.password"]}]))
        self.assertEqual(query(self.bob, self.alice)["self_signing_keys"], self.shown(self.keys))
        auth = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": PASSWORD,
            "session": refused.json["session"],
        }
        self.assertEqual(self.alice.post(UPLOAD, {**new.body(), "auth": auth}).json, {})
        self.assertEqual(query(self.bob, self.alice)["self_signing_keys"], self.shown(new))

    def shown(self, keys: CrossSigningKeys) -> Json:
        return {"@alice:test": keys.key("self_signing")}

    def test_a_repeated_request_does_not(self) -> None:
        self.bootstrap(self.alice)
        self.assertEqual(self.alice.post(UPLOAD, self.keys.body()).status, 200)
        self.assertEqual(self.alice.post(UPLOAD, {"master_key": self.keys.key("master")}).status, 200)
        self.assertEqual(self.alice.post(UPLOAD, {}).status, 200)

    def test_a_further_key_does(self) -> None:
        self.alice.post(UPLOAD, {"master_key": self.keys.key("master")})
        self.assertEqual(self.alice.post(UPLOAD, self.keys.body()).status, 401)

    def test_without_a_master_key(self) -> None:
        answer = self.alice.post(UPLOAD, {"self_signing_key": self.keys.key("self_signing")})
        self.assertEqual(answer.error, (400, "M_MISSING_PARAM"))

    def test_the_master_key_must_have_signed_the_others(self) -> None:
        other = CrossSigningKeys("@alice:test", generation=2)
        forged = other.sign("master", self.keys.key("self_signing", signed=False))
        for key in (self.keys.key("self_signing", signed=False), forged):
            body = {**self.keys.body(), "self_signing_key": key}
            self.assertEqual(self.alice.post(UPLOAD, body).error, (400, "M_INVALID_SIGNATURE"))
        self.assertEqual(query(self.bob, self.alice)["master_keys"], {})

    def test_bad_keys(self) -> None:
        master = self.keys.key("master")

        def check(case: tuple[Json, str]) -> None:
            change, errcode = case
            answer = self.alice.post(UPLOAD, {"master_key": {**master, **change}})
            self.assertEqual(answer.error, (400, errcode))

        each(
            check,
            [
                ({"user_id": "@bob:test"}, "M_INVALID_PARAM"),
                ({"usage": ["self_signing"]}, "M_INVALID_PARAM"),
                ({"usage": "master"}, "M_BAD_JSON"),
                ({"keys": {}}, "M_INVALID_PARAM"),
                ({"keys": {"ed25519:x": "x"}}, "M_INVALID_PARAM"),
                ({"keys": {"ed25519:x": self.keys.public("master")}}, "M_INVALID_PARAM"),
                ({"keys": {**master["keys"], "ed25519:y": "y"}}, "M_INVALID_PARAM"),
                ({"keys": None}, "M_BAD_JSON"),
                ({"signatures": []}, "M_BAD_JSON"),
                ({"weight": 1.5}, "M_BAD_JSON"),
            ],
        )

    def test_a_device_is_called_like_a_key(self) -> None:
        self.log_in(self.alice, self.keys.public("master"))
        self.assertEqual(self.alice.post(UPLOAD, self.keys.body()).error, (403, "M_FORBIDDEN"))

    def test_what_an_old_master_key_signed_goes_with_it(self) -> None:
        bobs = self.bootstrap(self.bob)
        self.bootstrap(self.alice)
        self.sign(
            self.bob,
            "@alice:test",
            self.keys.public("master"),
            bobs.sign("user_signing", self.keys.key("master")),
        )
        self.assertEqual(list(self.master_signatures(self.bob)), ["@bob:test"])
        new = CrossSigningKeys("@alice:test", generation=2)
        body = {"master_key": new.key("master")}
        auth = {"type": "m.login.password", "user": "alice", "password": PASSWORD}
        self.assertEqual(self.alice.post(UPLOAD, {**body, "auth": auth}).status, 200)
        found = query(self.alice, self.alice)
        self.assertEqual((found["self_signing_keys"], found["user_signing_keys"]), ({}, {}))
        self.assertEqual(list(self.master_signatures(self.bob)), ["@alice:test"])

    def master_signatures(self, viewer: WireClient) -> Json:
        signatures = query(viewer, self.alice)["master_keys"]["@alice:test"]["signatures"]
        return {user: by_key for user, by_key in signatures.items() if by_key} or {"@alice:test": {}}


class SignatureTests(CrossSigningTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = publish(self.alice)
        self.bootstrap(self.alice)
        self.bobs = self.bootstrap(self.bob)

    def device_signatures(self, viewer: WireClient) -> Json:
        return query(viewer, self.alice)["device_keys"]["@alice:test"][self.alice.device_id]["signatures"]

    def master_signatures(self, viewer: WireClient) -> Json:
        return query(viewer, self.alice)["master_keys"]["@alice:test"]["signatures"]

    def test_a_device_is_signed_for_everybody_to_see(self) -> None:
        signed = self.keys.sign("self_signing", self.device.device_keys())
        self.assertEqual(self.sign(self.alice, "@alice:test", self.alice.device_id, signed), {})
        for viewer in (self.alice, self.bob):
            self.assertEqual(self.device_signatures(viewer), signed["signatures"])

    def test_the_signature_stays_when_the_device_uploads_its_keys_again(self) -> None:
        signed = self.keys.sign("self_signing", self.device.device_keys())
        self.sign(self.alice, "@alice:test", self.alice.device_id, signed)
        publish(self.alice)
        self.assertEqual(self.device_signatures(self.bob), signed["signatures"])
        other = {**self.device.device_keys(), "algorithms": ["m.olm.v2"]}
        self.alice.post("/keys/upload", {"device_keys": self.device.sign(other)})
        self.assertEqual(list(self.device_signatures(self.bob)["@alice:test"]), [self.device.key_id])

    def test_a_device_signs_the_master_key(self) -> None:
        signed = self.device.sign(self.keys.key("master"))
        self.assertEqual(self.sign(self.alice, "@alice:test", self.keys.public("master"), signed), {})
        self.assertEqual(self.master_signatures(self.bob), signed["signatures"])

    def test_only_the_signer_sees_whom_they_trust(self) -> None:
        signed = self.bobs.sign("user_signing", self.keys.key("master"))
        self.assertEqual(self.sign(self.bob, "@alice:test", self.keys.public("master"), signed), {})
        self.assertEqual(self.master_signatures(self.bob)["@bob:test"], signed["signatures"]["@bob:test"])
        for viewer in (self.alice, self.register("carol")):
            self.assertNotIn("@bob:test", self.master_signatures(viewer))

    def test_wrong_signatures_are_named_and_the_others_count(self) -> None:
        device_id, master = self.alice.device_id, self.keys.public("master")
        good = self.keys.sign("self_signing", self.device.device_keys())
        exchange = self.alice.start(
            "POST",
            "/keys/signatures/upload",
            {
                "@alice:test": {
                    device_id: good,
                    master: self.keys.key("master"),
                    "UNKNOWN": good,
                    self.keys.public("self_signing"): self.device.sign(self.keys.key("self_signing")),
                },
                "@bob:test": {self.bobs.public("master"): self.bobs.key("master"), "BOBSDEVICE": good},
                "@nobody:test": {"X": good},
                "@carol:elsewhere": {"X": good},
            },
        )
        # Carol's server does not answer.
        self.advance(10)
        answer = answered(exchange)
        codes = {
            user: {key: failure["errcode"] for key, failure in failures.items()}
            for user, failures in answer["failures"].items()
        }
        self.assertEqual(
            codes,
            {
                "@alice:test": {
                    master: "M_INVALID_SIGNATURE",
                    "UNKNOWN": "M_NOT_FOUND",
                    self.keys.public("self_signing"): "M_NOT_FOUND",
                },
                "@bob:test": {self.bobs.public("master"): "M_INVALID_SIGNATURE", "BOBSDEVICE": "M_NOT_FOUND"},
                "@nobody:test": {"X": "M_NOT_FOUND"},
                "@carol:elsewhere": {"X": "M_NOT_FOUND"},
            },
        )
        self.assertEqual(self.device_signatures(self.bob), good["signatures"])

    def test_forgeries(self) -> None:
        device_id = self.alice.device_id
        keys = self.device.device_keys()
        changed = self.keys.sign("self_signing", {**keys, "algorithms": []})
        by_another = CrossSigningKeys("@alice:test", 2).sign("self_signing", keys)
        spoilt = self.keys.sign("self_signing", keys)
        spoilt["signatures"]["@alice:test"][f"ed25519:{self.keys.public('self_signing')}"] = "A" * 86

        def check(key: Json) -> None:
            failures = self.sign(self.alice, "@alice:test", device_id, key)
            self.assertEqual(failures["@alice:test"][device_id]["errcode"], "M_INVALID_SIGNATURE")

        each(check, [changed, by_another, spoilt, keys, {}, {"signatures": []}])
        float_failures = self.sign(self.alice, "@alice:test", device_id, {**keys, "x": 1.5})
        self.assertEqual(float_failures["@alice:test"][device_id]["errcode"], "M_BAD_JSON")
        self.assertEqual(self.device_signatures(self.bob), keys["signatures"])

    def test_nobody_signs_devices_of_others(self) -> None:
        signed = self.bobs.sign("user_signing", self.device.device_keys())
        failures = self.sign(self.bob, "@alice:test", self.alice.device_id, signed)
        self.assertEqual(failures["@alice:test"][self.alice.device_id]["errcode"], "M_NOT_FOUND")

    def test_without_the_key_that_signs(self) -> None:
        carol = self.register("carol")
        device = publish(carol)
        failures = self.sign(carol, "@carol:test", carol.device_id, device.device_keys())
        self.assertEqual(failures["@carol:test"][carol.device_id]["errcode"], "M_NOT_FOUND")
        failures = self.sign(carol, "@alice:test", self.keys.public("master"), self.keys.key("master"))
        self.assertEqual(list(failures), ["@alice:test"])

    def test_bad_requests(self) -> None:
        def post(body: Json) -> Answer:
            return self.alice.post("/keys/signatures/upload", body)

        malformed: list[Json] = [{"@alice:test": []}, {"@alice:test": {"X": "y"}}]
        for body in malformed:
            self.assertEqual(post(body).error, (400, "M_BAD_JSON"))
        self.assertEqual(post({"alice": {}}).error, (400, "M_INVALID_PARAM"))
        self.assertEqual(keys_of(self.alice).key_id, self.device.key_id)
