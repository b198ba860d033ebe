"""The description of the API keeps the rules of OpenAPI that can be checked with little."""

import re
from collections.abc import Iterator
from typing import Any
from unittest import TestCase

import msgspec
from jsonschema import Draft202012Validator
from twisted.internet.defer import Deferred

from homeserver.http.endpoint import Answer, Auth, Caller, Endpoint, Limit, endpoint, endpoints_of
from homeserver.http.openapi import OpenApiEndpoints, describe
from homeserver.http.requester import Requester
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import JsonObject, decode_json

_OPERATION = {
    "type": "object",
    "required": ["operationId", "responses"],
    "properties": {
        "operationId": {"type": "string"},
        "summary": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "security": {
            "type": "array",
            "items": {"additionalProperties": {"type": "array", "items": {"type": "string"}}},
        },
        "parameters": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "in", "schema"],
                "properties": {
                    "name": {"type": "string"},
                    "in": {"enum": ["path", "query"]},
                    "required": {"type": "boolean"},
                    "schema": {"type": "object"},
                },
                "if": {"properties": {"in": {"const": "path"}}},
                "then": {"required": ["required"], "properties": {"required": {"const": True}}},
                "additionalProperties": False,
            },
        },
        "requestBody": {
            "type": "object",
            "required": ["content"],
            "properties": {"required": {"type": "boolean"}, "content": {"$ref": "#/$defs/content"}},
            "additionalProperties": False,
        },
        "responses": {
            "type": "object",
            "minProperties": 1,
            "patternProperties": {r"^([1-5]\d\d|default)$": {"$ref": "#/$defs/response"}},
            "additionalProperties": False,
        },
    },
    "patternProperties": {"^x-": True},
    "additionalProperties": False,
}
_RULES: JsonObject = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["openapi", "info", "paths"],
    "properties": {
        "openapi": {"pattern": r"^3\.1\.\d+$"},
        "info": {"required": ["title", "version"]},
        "paths": {
            "patternProperties": {
                "^/": {
                    "patternProperties": {"^(get|put|post|delete|head)$": _OPERATION},
                    "additionalProperties": False,
                }
            },
            "additionalProperties": False,
        },
        "components": {
            "properties": {
                "schemas": {"propertyNames": {"pattern": r"^[a-zA-Z0-9._-]+$"}},
                "responses": {"additionalProperties": {"$ref": "#/$defs/response"}},
                "securitySchemes": {"additionalProperties": {"required": ["type", "scheme"]}},
            },
        },
    },
    "$defs": {
        "content": {"additionalProperties": {"properties": {"schema": {"type": "object"}}}},
        "response": {
            "anyOf": [
                {"required": ["$ref"]},
                {"required": ["description"], "properties": {"content": {"$ref": "#/$defs/content"}}},
            ]
        },
    },
}


class Pet(msgspec.Struct, omit_defaults=True):
    name: str
    parent: "Pet | None" = None


class Paging(msgspec.Struct):
    limit: int = 10
    dir: str = "b"
    tags: list[str] = []


class Wanted(msgspec.Struct):
    token: str


class PetEndpoints:
    """As endpoints come: aliases, queries, bodies that may be absent, answers without a type."""

    @endpoint("GET", "/(v1|v2)/pets/{user_id}", auth=Auth.USER, limit=Limit.PROFILE)
    async def list_pets(self, requester: Requester, user_id: UserID, query: Paging) -> list[Pet]:
        """The pets of a user.

        More that is not for the summary.
        """
        raise NotImplementedError

    @endpoint("PUT", "/v2/pets/{owner}", auth=Auth.ADMIN, limit=Limit.NONE)
    async def put_pet(self, owner: UserID, body: Pet, caller: Caller) -> Answer:
        raise NotImplementedError

    @endpoint("POST", "/v1/pets", auth=Auth.OPTIONAL, limit=Limit.NONE)
    async def search_pets(self, body: Paging) -> JsonObject | Answer:
        raise NotImplementedError

    @endpoint("DELETE", "/v1/pets", auth=Auth.GUEST, limit=Limit.NONE)
    async def free_pets(self, body: JsonObject, query: Wanted) -> None:
        raise NotImplementedError


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def problems_of(document: JsonObject) -> list[str]:
    """What breaks a rule of OpenAPI; for any document of ours."""
    problems = [error.message for error in Draft202012Validator(_RULES).iter_errors(document)]
    operations = [
        (path, operation) for path, item in document["paths"].items() for operation in item.values()
    ]
    shapes = [re.sub("{.*?}", "{}", path) for path in document["paths"]]
    problems += [f"two paths of shape {shape}" for shape in {s for s in shapes if shapes.count(s) > 1}]
    ids = [operation["operationId"] for _, operation in operations]
    problems += [f"two operations {name}" for name in {name for name in ids if ids.count(name) > 1}]
    for path, operation in operations:
        declared = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        if declared != set(re.findall(r"{(\w+)}", path)):
            problems.append(f"{path} and its parameters {declared} differ")
    for reference in references(document):
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target.get(step, {})
        if not target:
            problems.append(f"{reference} leads nowhere")
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    return problems


class DescribeTests(TestCase):
    def setUp(self) -> None:
        self.document = describe(endpoints_of(PetEndpoints()), "1.2.3")
        self.paths = self.document["paths"]

    def test_document_keeps_the_rules_of_openapi(self) -> None:
        self.assertEqual(problems_of(self.document), [])

    def test_the_rules_notice_a_broken_document(self) -> None:
        del self.document["components"]["schemas"]["Pet"]
        self.paths["/v1/pets"]["post"]["operationId"] = "PetEndpoints.list_pets"
        self.paths["/v1/pets/{other}"] = self.paths.pop("/v1/pets/{user_id}")
        self.assertEqual(len({problem.partition(" ")[0] for problem in problems_of(self.document)}), 3)

    def test_each_path_is_an_operation_of_its_own(self) -> None:
        names = [self.paths[f"/{v}/pets/{{user_id}}"]["get"]["operationId"] for v in ("v1", "v2")]
        self.assertEqual(names, ["PetEndpoints.list_pets", "PetEndpoints.list_pets.2"])

    def test_paths_that_differ_only_in_a_name_are_one(self) -> None:
        put = self.paths["/v2/pets/{user_id}"]["put"]
        self.assertEqual([parameter["name"] for parameter in put["parameters"]], ["user_id"])
        self.assertNotIn("/v2/pets/{owner}", self.paths)

    def test_summary_is_the_first_line(self) -> None:
        self.assertEqual(self.paths["/v1/pets/{user_id}"]["get"]["summary"], "The pets of a user.")

    def test_query_fields_are_parameters(self) -> None:
        parameters = self.paths["/v1/pets/{user_id}"]["get"]["parameters"]
        found = {parameter["name"]: (parameter["in"], parameter["required"]) for parameter in parameters}
        expected = {"limit": ("query", False), "dir": ("query", False), "tags": ("query", False)}
        self.assertEqual(found, {"user_id": ("path", True), **expected})
        needed = self.paths["/v1/pets"]["delete"]["parameters"]
        self.assertEqual([parameter["required"] for parameter in needed], [True])

    def test_body_is_required_unless_every_field_may_be_left_out(self) -> None:
        self.assertTrue(self.paths["/v2/pets/{user_id}"]["put"]["requestBody"]["required"])
        self.assertFalse(self.paths["/v1/pets"]["post"]["requestBody"]["required"])

    def test_auth_and_limit_are_told(self) -> None:
        get = self.paths["/v1/pets/{user_id}"]["get"]
        self.assertEqual((get["security"], get["x-folkmoot-limit"]), ([{"accessToken": ["user"]}], "profile"))
        self.assertEqual(self.paths["/v2/pets/{user_id}"]["put"]["security"], [{"accessToken": ["admin"]}])
        self.assertEqual(self.paths["/v1/pets"]["post"]["security"], [{}, {"accessToken": []}])

    def test_refusals_follow_from_the_declaration(self) -> None:
        get = self.paths["/v1/pets/{user_id}"]["get"]["responses"]
        self.assertEqual(list(get), ["200", "400", "401", "403", "429", "default"])
        post = self.paths["/v1/pets"]["post"]["responses"]
        self.assertEqual(list(post), ["200", "400", "401", "413", "default"])

    def test_answer_types_are_told_where_they_are_known(self) -> None:
        def schema(path: str, method: str) -> Any:
            return self.paths[path][method]["responses"]["200"]["content"]["application/json"]["schema"]

        pet = {"$ref": "#/components/schemas/Pet"}
        self.assertEqual(schema("/v1/pets/{user_id}", "get"), {"type": "array", "items": pet})
        self.assertEqual(schema("/v2/pets/{user_id}", "put"), {})
        self.assertEqual(schema("/v1/pets", "post"), {"type": "object"})

    def test_every_kind_of_auth_can_be_described(self) -> None:
        declared = next(endpoints_of(PetEndpoints()))
        for auth in Auth:
            described = Endpoint(
                **{name: getattr(declared, name) for name in declared.__slots__} | {"auth": auth}
            )
            self.assertEqual(problems_of(describe([described], "1")), [], auth)


class OpenApiEndpointsTests(TestCase):
    def test_document_is_served_and_describes_itself(self) -> None:
        endpoints = OpenApiEndpoints("1.2.3", endpoints_of(PetEndpoints()))
        served: list[msgspec.Raw] = []
        Deferred.fromCoroutine(endpoints.openapi()).addCallback(served.append)
        document = decode_json(bytes(served[0]))
        self.assertEqual(document["info"], {"title": "Folkmoot", "version": "1.2.3"})
        self.assertIn("/_folkmoot/openapi.json", document["paths"])
        self.assertIn("/v1/pets", document["paths"])
