"""Every operation of the client-server API is in a scenario where it succeeds, or has a reason for which it is not.

This module is the last one: it looks at what the others were answered.
"""

from pathlib import Path

import pytest

from synapse_compat_tests.compare import answered
from tests.spec import Operation, find_operation, operations

_LOCKS = "Synapse locks and suspends users by its own API alone"
_NO_MAIL = "no mail is sent from here, and no phone called; that it is refused is in a scenario"

NOT_VISITED = {
    "GET /.well-known/matrix/support": "Synapse does not have it",
    "GET /.well-known/matrix/policy_server": "Synapse does not have it",
    "GET /_matrix/client/v1/auth_metadata": "there is no other service for accounts",
    "GET /_matrix/client/v1/register/m.login.registration_token/validity": "each server has tokens of its own",
    "GET /_matrix/client/v3/register/available": "registration is closed; that it is refused is in a scenario",
    "GET /_matrix/client/versions": "each server tells of its own features",
    "GET /_matrix/client/v3/login/sso/redirect": "there is nobody to redirect to",
    "GET /_matrix/client/v3/login/sso/redirect/{idpId}": "there is nobody to redirect to",
    **{
        f"{method} /_matrix/client/v1/admin/{action}/{{userId}}": _LOCKS
        for method in ("GET", "PUT")
        for action in ("lock", "suspend")
    },
    **{
        f"POST /_matrix/client/v3/{path}": _NO_MAIL
        for path in (
            "account/3pid",
            "account/3pid/add",
            "account/3pid/bind",
            "account/3pid/email/requestToken",
            "account/3pid/msisdn/requestToken",
            "account/password/email/requestToken",
            "account/password/msisdn/requestToken",
            "register/email/requestToken",
            "register/msisdn/requestToken",
        )
    },
}
"""Operations that succeed in no scenario, and why."""


def _name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def test_every_operation_is_visited(request: pytest.FixtureRequest) -> None:
    here = Path(__file__)
    wanted = {*here.parent.glob("test_*.py"), *here.parent.glob("appservices/test_*.py")}
    if left_out := wanted - {item.path for item in request.session.items}:
        pytest.skip(f"without {len(left_out)} of the modules with scenarios, nothing can be said")
    # Files have scenarios of their own, which look at every operation.
    files = ("content-repo.yaml", "authed-content-repo.yaml")
    described = {
        _name(each)
        for each in operations()
        if each.file.parent.name == "client-server" and each.file.name not in files
    }
    # Clients send the first sign of an alias as it is, which is no part of a path by the rules of URLs.
    found = (find_operation(method, target.replace("#", "%23")) for method, target in answered)
    visited = {_name(operation) for operation in found if operation is not None}
    assert sorted(described - visited - NOT_VISITED.keys()) == [], "neither visited nor excused"
    assert sorted(NOT_VISITED.keys() & visited) == [], "excused, but visited"
    assert sorted(NOT_VISITED.keys() - described) == [], "excused, but not described"
