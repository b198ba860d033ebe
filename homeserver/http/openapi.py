"""Our API described in OpenAPI 3.1, from nothing but the declared endpoints.

https://spec.openapis.org/oas/v3.1.1.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import or_
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from homeserver.http.endpoint import (
    GIVEN,
    Answer,
    Auth,
    Endpoint,
    FileAnswer,
    Form,
    Limit,
    endpoint,
    endpoints_of,
)
from homeserver.protocol.json import JsonObject, encode_json

_SCHEMAS = "#/components/schemas/"

# The list after a scheme's name holds the roles that the caller needs.
_SECURITY: Mapping[Auth, list[JsonObject]] = {
    Auth.NONE: [],
    Auth.OPTIONAL: [{}, {"accessToken": []}],
    Auth.GUEST: [{"accessToken": []}],
    Auth.LEAVING: [{"accessToken": []}],
    Auth.USER: [{"accessToken": ["user"]}],
    Auth.ADMIN: [{"accessToken": ["admin"]}],
    Auth.SERVER: [{"signature": []}],
}
_REFUSALS = {
    "400": "The request is malformed: M_NOT_JSON, M_BAD_JSON, M_MISSING_PARAM, M_INVALID_PARAM, …",
    "401": "The access token is missing or unknown: M_MISSING_TOKEN, M_UNKNOWN_TOKEN",
    "403": "The caller may not do this: M_FORBIDDEN, M_GUEST_ACCESS_FORBIDDEN, …",
    "413": "The body is too large: M_TOO_LARGE",
    "429": "Too many requests, see Retry-After: M_LIMIT_EXCEEDED",
    "default": "Any other refusal",
}
_ERROR_SCHEMA: JsonObject = {
    "type": "object",
    "description": "https://spec.matrix.org/v1.19/client-server-api/#standard-error-response",
    "properties": {"errcode": {"type": "string"}, "error": {"type": "string"}},
    "required": ["errcode", "error"],
}


class OpenApiEndpoints:
    """Serves the description of this server's API, itself included."""

    def __init__(self, version: str, others: Iterable[Endpoint]) -> None:
        self._version = version
        self._endpoints = (*others, *endpoints_of(self))
        self._document: msgspec.Raw | None = None

    @endpoint("GET", "/_folkmoot/openapi.json", auth=Auth.NONE, limit=Limit.NONE)
    async def openapi(self) -> msgspec.Raw:
        """This document."""
        if self._document is None:
            self._document = msgspec.Raw(encode_json(describe(self._endpoints, self._version)))
        return self._document


def describe(endpoints: Iterable[Endpoint], version: str) -> JsonObject:
    """The OpenAPI document. Raises TypeError where an endpoint's types have no JSON Schema."""
    endpoints = tuple(endpoints)
    schemas = _Schemas(endpoints)
    paths: dict[str, JsonObject] = {}
    # OpenAPI takes /a/{x} and /a/{y} for the same path, so the first spelling stands for both.
    spellings: dict[str, str] = {}
    for described in endpoints:
        for number, path in enumerate(described.paths, 1):
            spelling = spellings.setdefault(re.sub(r"{\w+}", "{}", path), path)
            operation = _operation(described, path, spelling, schemas)
            operation["operationId"] = described.name if number == 1 else f"{described.name}.{number}"
            paths.setdefault(spelling, {})[described.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Folkmoot", "version": version},
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, "MatrixError": _ERROR_SCHEMA},
            "responses": {status: _refusal(description) for status, description in _REFUSALS.items()},
            "securitySchemes": {
                "accessToken": {"type": "http", "scheme": "bearer"},
                "signature": {"type": "http", "scheme": "X-Matrix"},
            },
        },
    }


class _Schemas:
    """JSON Schemas of all types that endpoints take or give. `components` are those that have a name."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        types = list(dict.fromkeys(kind for described in endpoints for kind in _types_of(described)))
        schemas, self.components = msgspec.json.schema_components(types, ref_template=_SCHEMAS + "{name}")
        self._of: dict[Any, JsonObject] = dict(zip(types, schemas, strict=True))

    def of(self, kind: Any) -> JsonObject:
        return self._of[kind]

    def named(self, struct: Any) -> JsonObject:
        """The schema itself of a Struct, where `of` gives a reference to it."""
        name = str(self._of[struct]["$ref"]).removeprefix(_SCHEMAS)
        schema: JsonObject = self.components[name]
        return schema


def _types_of(described: Endpoint) -> Iterator[Any]:
    for name, kind in described.parameters.items():
        if name not in GIVEN:
            yield kind
    yield _answer_type(described.returns)


def _answer_type(returns: Any) -> Any:
    """What is answered as JSON. An `Answer` may hold anything, and a file is none, so they say nothing."""
    is_union = get_origin(returns) in (Union, UnionType)
    parts = [
        part for part in (get_args(returns) if is_union else [returns]) if part not in (Answer, FileAnswer)
    ]
    return reduce(or_, parts) if parts else Any


def _operation(described: Endpoint, path: str, spelling: str, schemas: _Schemas) -> JsonObject:
    operation: JsonObject = {
        "summary": described.summary,
        "tags": [described.name.partition(".")[0]],
        "security": _SECURITY[described.auth],
        "parameters": [
            *_path_parameters(described, path, spelling, schemas),
            *_query_parameters(described, schemas),
        ],
        "responses": _responses(described, schemas),
    }
    if "body" in described.parameters:
        operation["requestBody"] = _request_body(described.parameters["body"], schemas)
    if "upload" in described.parameters:
        operation["requestBody"] = {"required": True, "content": {"*/*": {}}}
    if described.limit is not Limit.NONE:
        operation["x-folkmoot-limit"] = described.limit.value
    return operation


def _path_parameters(
    described: Endpoint, path: str, spelling: str, schemas: _Schemas
) -> Iterator[JsonObject]:
    names, spelled = re.findall(r"{(\w+)}", path), re.findall(r"{(\w+)}", spelling)
    for name, spelled_name in zip(names, spelled, strict=True):
        schema = schemas.of(described.parameters[name])
        yield {"name": spelled_name, "in": "path", "required": True, "schema": schema}


def _query_parameters(described: Endpoint, schemas: _Schemas) -> Iterator[JsonObject]:
    query = described.parameters.get("query")
    if query is None:
        return
    if get_origin(query) is dict:
        # Each of its fields is a parameter of the query, which is what OpenAPI means where nothing else is said.
        yield {"name": "fields", "in": "query", "schema": schemas.of(query)}
        return
    fields = schemas.named(query)
    for name, schema in fields["properties"].items():
        yield {"name": name, "in": "query", "required": name in fields["required"], "schema": schema}


def _request_body(body: Any, schemas: _Schemas) -> JsonObject:
    is_struct = isinstance(body, type) and issubclass(body, msgspec.Struct)
    optional = is_struct and not any(field.required for field in msgspec.structs.fields(body))
    is_form = is_struct and issubclass(body, Form)
    media_type = "application/x-www-form-urlencoded" if is_form else "application/json"
    return {"required": not optional, "content": {media_type: {"schema": schemas.of(body)}}}


def _responses(described: Endpoint, schemas: _Schemas) -> JsonObject:
    answer = schemas.of(_answer_type(described.returns))
    return {
        "200": {"description": "Success", "content": {"application/json": {"schema": answer}}},
        **{status: {"$ref": f"#/components/responses/{status}"} for status in _refusals_of(described)},
    }


def _refusals_of(described: Endpoint) -> Iterator[str]:
    if described.parameters.keys() - GIVEN:
        yield "400"
    if described.auth is not Auth.NONE:
        yield "401"
    if described.auth in (Auth.USER, Auth.ADMIN, Auth.SERVER):
        yield "403"
    if described.parameters.keys() & {"body", "upload"}:
        yield "413"
    if described.limit is not Limit.NONE:
        yield "429"
    yield "default"


def _refusal(description: str) -> JsonObject:
    schema = {"$ref": _SCHEMAS + "MatrixError"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
