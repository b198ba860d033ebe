"""Finding the endpoint of a request by its path, segment by segment."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from homeserver.http.endpoint import Endpoint
from homeserver.protocol.errors import InvalidParam, Unrecognized, WrongMethod


@dataclass(slots=True)
class _Node:
    literal: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    methods: dict[str, tuple[Endpoint, tuple[str, ...]]] = field(default_factory=dict)


class Router:
    """A tree of path segments. A literal segment wins over a parameter."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._root = _Node()
        self.endpoints = tuple(endpoints)
        names: set[str] = set()
        for endpoint in self.endpoints:
            # By the name it is known how an endpoint is called: who may, and how often.
            if endpoint.name in names:
                raise TypeError(f"There are two endpoints {endpoint.name}")
            names.add(endpoint.name)
            for path in endpoint.paths:
                self._add(path, endpoint)

    def find(self, method: str, raw_path: str) -> tuple[Endpoint, dict[str, str]]:
        """The endpoint and its path parameters, percent-decoded.

        Raises Unrecognized where no endpoint has the path, WrongMethod where none has it with this method.
        """
        segments = raw_path.split("/")
        node, values = self._walk(self._root, segments, 0, ())
        if node is None:
            raise Unrecognized("Unrecognized request")
        found = node.methods.get("GET" if method == "HEAD" else method)
        if found is None:
            raise WrongMethod("Method not allowed for this path")
        endpoint, names = found
        return endpoint, dict(zip(names, map(_decoded, values), strict=True))

    def _walk(
        self, node: _Node, segments: list[str], index: int, values: tuple[str, ...]
    ) -> tuple[_Node | None, tuple[str, ...]]:
        if index == len(segments):
            return (node if node.methods else None), values
        segment = segments[index]
        literal = node.literal.get(segment)
        if literal is not None:
            found, found_values = self._walk(literal, segments, index + 1, values)
            if found is not None:
                return found, found_values
        if node.parameter is not None:
            return self._walk(node.parameter, segments, index + 1, (*values, segment))
        return None, ()

    def _add(self, path: str, endpoint: Endpoint) -> None:
        node, names = self._root, []
        for segment in path.split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(segment, _Node())
        other = node.methods.setdefault(endpoint.method, (endpoint, tuple(names)))
        if other[0] is not endpoint:
            raise TypeError(f"{endpoint.name} and {other[0].name} both declare {endpoint.method} {path}")


def _decoded(segment: str) -> str:
    if "%" not in segment:
        return segment
    try:
        text = unquote(segment, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidParam("The path is not UTF-8") from error
    if "\x00" in text:
        # No identifier has one, and PostgreSQL cannot even compare with it.
        raise InvalidParam("The path has a NUL character")
    return text
