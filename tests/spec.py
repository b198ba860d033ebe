"""The specification's own OpenAPI files as the judge of answers.

They are looked for in MATRIX_SPEC_DIR, or else in ../shared/spec/api beside the project, laid out as data/api
is in https://github.com/matrix-org/matrix-spec.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import SkipTest
from urllib.parse import unquote, urlsplit

import yaml
from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

Json = Any

_PROJECT = Path(__file__).resolve().parent.parent

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_ERROR = "client-server/definitions/errors/error.yaml"
_AUTHENTICATION = "client-server/definitions/auth_response.yaml"
# It asks for interactive authentication in words, but does not describe how it does.
_UNDESCRIBED_AUTHENTICATION = "/_matrix/client/v3/keys/device_signing/upload"
_PARAMETER = re.compile(r"\{[^{}]+\}")
_VERSION = re.compile(r"/_matrix/(client|media)/(r0|v1|v3)/")

# What string-formats.yaml names, as far as a look at the string can tell.
_FORMATS = {
    "mx-event-id": r"\$.+",
    "mx-mxc-uri": r"mxc://[^/]+/[\w-]+",
    "mx-room-alias": r"#[^:]*:.+",
    "mx-room-id": r"!.+",
    "mx-unpadded-base64": r"[A-Za-z0-9+/]*",
    "mx-user-id": r"@[^:]*:.+",
}


# Lists of values to which clients add others, as they try out what comes next.
_OPEN_LISTS = {("key_backup.yaml", "$.algorithm")}
# Asked for by the example of an event, but by no room version any more.
_OUTDATED = {("invites-v2.yaml", "'origin' is a required property")}


class SpecViolation(AssertionError):
    """An answer that the specification does not allow."""


@dataclass(frozen=True)
class Operation:
    """A method and path template, and where they are described."""

    method: str
    path: str
    file: Path
    key: str
    """The path as the file has it, without what all of its paths begin with."""

    def fits(self, method: str, path: str) -> bool:
        return method == self.method and _pattern(self.path).fullmatch(path) is not None

    @property
    def description(self) -> Json:
        return _parsed(self.file)["paths"][self.key][self.method.lower()]

    def pointer(self, *below: str) -> str:
        """A `$ref` to a part of the description."""
        parts = ("paths", self.key, self.method.lower(), *below)
        return f"{self.file.as_uri()}#/" + "/".join(
            part.replace("~", "~0").replace("/", "~1") for part in parts
        )


def check_answer(method: str, path: str, status: int, answer: Json) -> None:
    """Raises SpecViolation unless the JSON `answer` to this request is what the specification describes.

    `path` is as it was sent, with or without a query. Failures need not be described one by one: every
    operation may answer with the standard error. Raises SkipTest where the specification is not at hand.
    """
    operation = find_operation(method, path)
    if operation is None:
        raise SpecViolation(f"the specification has no {method} {path}")
    validator = _validator(operation, status)
    problems = [] if validator is None else list(validator.iter_errors(answer))
    problems = [each for each in problems if (operation.file.name, each.json_path) not in _OPEN_LISTS]
    problems = [each for each in problems if (operation.file.name, each.message) not in _OUTDATED]
    if problems and status == 401 and _standard_error().is_valid(answer):
        # Described is how the operation asks for more authentication; it may also lack a token.
        return
    if problems:
        found = "\n".join(f"  {_place(each)}: {each.message}" for each in problems)
        raise SpecViolation(f"{method} {operation.path} {status} in {operation.file.name}:\n{found}")


def find_operation(method: str, path: str) -> Operation | None:
    """What describes this request. Clients use r0, v1 and v3 of a path alike, one of which is described."""
    plain = urlsplit(path).path
    version = _VERSION.match(plain)
    spellings = [plain]
    if version:
        rest = plain[version.end() :]
        spellings += [f"/_matrix/{version[1]}/{each}/{rest}" for each in ("v3", "v1")]
    fitting = (
        operation for spelling in spellings for operation in operations() if operation.fits(method, spelling)
    )
    return next(fitting, None)


@cache
def operations() -> tuple[Operation, ...]:
    """All that the specification describes; those with fewer parameters, which are plainer, first."""
    found = {
        (each.method, each.path): each
        for file in sorted(spec_directory().glob("*/*.yaml"))
        for each in _operations_in(file)
    }
    return tuple(sorted(found.values(), key=lambda each: len(_PARAMETER.findall(each.path))))


@cache
def spec_directory() -> Path:
    """Raises SkipTest where the specification is not at hand."""
    directory = Path(os.environ.get("MATRIX_SPEC_DIR") or _PROJECT.parent / "shared/spec/api").resolve()
    if not (directory / _ERROR).is_file():
        raise SkipTest(f"no Matrix specification in {directory}; MATRIX_SPEC_DIR can name its data/api")
    return directory


def _operations_in(file: Path) -> Iterator[Operation]:
    document = _parsed(file)
    base = document["servers"][0]["variables"]["basePath"]["default"]
    for path, methods in document["paths"].items():
        # A path is described twice where it takes two kinds of body: the second time with a space at its end.
        if not path.endswith(" "):
            for method in methods.keys() & _METHODS:
                yield Operation(method.upper(), base + path, file, path)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    # An empty state key may be left away, with or without the slash before it.
    template, state_keys = re.subn(r"/\{stateKey\}$", "", template)
    literals = map(re.escape, _PARAMETER.split(template))
    return re.compile("[^/]+".join(literals) + ("(/[^/]*)?" if state_keys else ""))


@cache
def _validator(operation: Operation, status: int) -> Draft202012Validator | None:
    """None where anything may be answered, such as a file."""
    responses = operation.description["responses"]
    key = next((each for each in (str(status), f"{status // 100}XX") if each in responses), None)
    if key is None:
        if status < 400:
            raise SpecViolation(f"{operation.method} {operation.path} does not answer with {status}")
        if status == 401 and operation.path == _UNDESCRIBED_AUTHENTICATION:
            return _judge(f"{(spec_directory() / _AUTHENTICATION).as_uri()}#")
        return _standard_error()
    content = responses[key].get("content", {})
    if "schema" not in content.get("application/json", {}):
        return None
    return _judge(operation.pointer("responses", key, "content", "application/json", "schema"))


@cache
def _standard_error() -> Draft202012Validator:
    return _judge(f"{(spec_directory() / _ERROR).as_uri()}#")


def _judge(reference: str) -> Draft202012Validator:
    registry: Registry[Json] = Registry(retrieve=_retrieve)  # type: ignore[call-arg] # mypy does not see its attrs
    return _Validator({"$ref": reference}, registry=registry, format_checker=_CHECKER)


def _retrieve(uri: str) -> Resource[Json]:
    return DRAFT202012.create_resource(_parsed(Path(unquote(urlsplit(uri).path))))


@cache
def _parsed(file: Path) -> Json:
    return yaml.load(file.read_text(), Loader=yaml.CSafeLoader)


# The specification's alternatives overlap: an event, for one, is also an object, as contents of state are.
_Validator = validators.extend(Draft202012Validator, {"oneOf": Draft202012Validator.VALIDATORS["anyOf"]})


def _place(problem: ValidationError) -> str:
    """Where in the answer, and which rule says so."""
    return f"{problem.json_path} ({'/'.join(map(str, problem.schema_path))})"


def _checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, pattern in _FORMATS.items():
        fits = re.compile(pattern).fullmatch
        checker.checks(name)(lambda value, fits=fits: not isinstance(value, str) or fits(value) is not None)
    return checker


_CHECKER = _checker()
