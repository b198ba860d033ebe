"""Every operation of the client-server API is in a scenario, or has a reason for which it is in none.

This module is the last one: it looks at what the others asked.
"""

from pathlib import Path

import pytest

from synapse_compat_tests.compare import asked
from tests.spec import Operation, find_operation, operations

NOT_VISITED: dict[str, str] = {}


def _name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def test_every_operation_is_visited(request: pytest.FixtureRequest) -> None:
    here = Path(__file__)
    wanted = set(here.parent.glob("test_*.py"))
    if left_out := wanted - {item.path for item in request.session.items}:
        pytest.skip(f"without {len(left_out)} of the modules with scenarios, nothing can be said")
    described = {_name(each) for each in operations() if each.file.parent.name == "client-server"}
    found = (find_operation(method, target) for method, target in asked)
    visited = {_name(operation) for operation in found if operation is not None}
    assert sorted(described - visited - NOT_VISITED.keys()) == [], "neither visited nor excused"
    assert sorted(NOT_VISITED.keys() & visited) == [], "excused, but visited"
    assert sorted(NOT_VISITED.keys() - described) == [], "excused, but not described"
