"""Accounts made and changed by the command, as a server finds them."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from homeserver.cli.main import main
from homeserver.cli.tests.running import Running, running

Users = Callable[..., int]
PASSWORD = "correct horse"


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Users:
    """Runs `folkmoot user …`, with a password on standard input."""

    def run(*arguments: str, password: str = PASSWORD) -> int:
        monkeypatch.setattr("sys.stdin", StringIO(f"{password}\n"))
        settings = ["--data-dir", str(tmp_path), "-o", "server_name=localhost", "-o", "bcrypt_rounds=4"]
        return main(["user", *arguments, *settings])

    return run


def listed(users: Users, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert users("list") == 0
    # Without the day on which the account was made.
    return [line.partition(" ")[2] for line in capsys.readouterr().out.splitlines()]


def login_status(server: Running, user: str, password: str) -> int:
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user}}
    status, _ = server.request("POST", "/_matrix/client/v3/login", {**body, "password": password})
    return status


def test_added_users_are_listed(users: Users, capsys: pytest.CaptureFixture[str]) -> None:
    assert users("add", "alice", "--password-stdin") == 0
    assert users("add", "@bob:localhost", "--password-stdin") == 0
    assert users("add", "carol", "--admin", "--password-stdin") == 0
    assert capsys.readouterr().out.splitlines() == [
        "Added @alice:localhost, an administrator.",  # because somebody must be one
        "Added @bob:localhost.",
        "Added @carol:localhost, an administrator.",
    ]
    assert listed(users, capsys) == [
        "@alice:localhost (administrator)",
        "@bob:localhost",
        "@carol:localhost (administrator)",
    ]


def test_first_user_may_come_before_the_first_start(users: Users, tmp_path: Path) -> None:
    assert users("add", "alice", "--password-stdin", "--display-name", "Alice A.") == 0
    with running(tmp_path) as server:
        assert login_status(server, "alice", PASSWORD) == 200
        assert login_status(server, "alice", "wrong") == 403
        path = "/_matrix/client/v3/profile/@alice:localhost/displayname"
        assert server.request("GET", path) == (200, {"displayname": "Alice A."})


def test_a_running_server_sees_the_changes(users: Users, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert users("add", "alice", "--password-stdin") == 0
        assert login_status(server, "alice", PASSWORD) == 200
        assert users("password", "alice", "--password-stdin", password="battery staple") == 0
        assert login_status(server, "alice", PASSWORD) == 403
        assert login_status(server, "alice", "battery staple") == 200
        assert users("deactivate", "alice", "--erase") == 0
        assert login_status(server, "alice", "battery staple") == 403


def test_administrators_are_made_and_unmade(users: Users, capsys: pytest.CaptureFixture[str]) -> None:
    users("add", "alice", "--password-stdin")
    users("add", "bob", "--password-stdin")
    assert users("admin", "bob") == 0
    assert users("admin", "@alice:localhost", "--revoke") == 0
    assert listed(users, capsys) == ["@alice:localhost", "@bob:localhost (administrator)"]


def test_deactivated_users_are_marked_and_never_free(
    users: Users, capsys: pytest.CaptureFixture[str]
) -> None:
    users("add", "alice", "--password-stdin")
    assert users("deactivate", "alice") == 0
    assert listed(users, capsys) == ["@alice:localhost (deactivated)"]
    assert users("add", "alice", "--password-stdin") == 2
    assert "taken" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["password", "--password-stdin"], ["admin"], ["deactivate"]])
def test_nobody_is_changed_who_is_not_there(
    users: Users, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert users(*arguments, "nobody") == 2
    assert capsys.readouterr().err == "folkmoot: There is no such user on this server\n"


def test_users_of_other_servers_are_not_ours(users: Users, capsys: pytest.CaptureFixture[str]) -> None:
    assert users("add", "@alice:example.org", "--password-stdin") == 2
    assert "is no user of this server, which is localhost" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["with space", "ümlaut", "", "@"])
def test_impossible_names_are_refused(users: Users, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert users("add", name, "--password-stdin") == 2
    assert capsys.readouterr().err.startswith("folkmoot: ")


def test_empty_password_is_refused(users: Users, capsys: pytest.CaptureFixture[str]) -> None:
    assert users("add", "alice", "--password-stdin", password="") == 2
    assert "password" in capsys.readouterr().err
    assert listed(users, capsys) == []


def test_password_is_asked_for_twice(
    users: Users, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["one", "other", "same", "same"])
    monkeypatch.setattr("homeserver.cli.user.getpass", lambda _: next(typed))
    assert users("add", "alice") == 2
    assert "differ" in capsys.readouterr().err
    assert users("add", "alice") == 0


def test_long_lists_are_printed_whole(
    users: Users, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("homeserver.cli.user._PAGE", 2)
    names = [f"user{number}" for number in range(5)]
    for name in names:
        users("add", name, "--password-stdin")
    assert [line.split(" ")[0] for line in listed(users, capsys)] == [f"@{name}:localhost" for name in names]


def test_locked_and_suspended_users_are_marked(users: Users, capsys: pytest.CaptureFixture[str]) -> None:
    users("add", "alice", "--password-stdin")
    users("add", "bob", "--password-stdin")
    assert users("lock", "bob") == 0
    assert users("suspend", "bob") == 0
    assert listed(users, capsys) == ["@alice:localhost (administrator)", "@bob:localhost (locked, suspended)"]
    assert users("lock", "bob", "--undo") == 0
    assert users("suspend", "bob", "--undo") == 0
    assert listed(users, capsys)[1] == "@bob:localhost"
    for action in ("lock", "suspend"):
        assert users(action, "nobody") == 2


def test_who_is_locked_out(users: Users, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        users("add", "alice", "--password-stdin")
        users("lock", "alice")
        assert login_status(server, "alice", PASSWORD) == 401
        users("lock", "alice", "--undo")
        assert login_status(server, "alice", PASSWORD) == 200


def test_registration_tokens(users: Users, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert users("token", "--uses", "1", "--days", "7") == 0
    assert users("token") == 0
    tokens = capsys.readouterr().out.split()
    assert len(set(tokens)) == 2
    with running(
        tmp_path, ["-o", "enable_registration=true", "-o", "registration_requires_token=true"]
    ) as server:
        for token in tokens:
            path = f"/_matrix/client/v1/register/m.login.registration_token/validity?token={token}"
            assert server.request("GET", path) == (200, {"valid": True})


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_impossible_numbers_are_refused(users: Users, number: str) -> None:
    with pytest.raises(SystemExit) as ended:
        users("token", "--uses", number)
    assert ended.value.code == 2
