import pytest

from config.tests.conftest import Configure, Mistakes


@pytest.mark.parametrize(
    "name", ["example.org", "localhost", "localhost:8448", "1.2.3.4", "[2001:db8::1]", "[::1]:8448", "a-b.C"]
)
def test_names(configure: Configure, name: str) -> None:
    assert configure(environ={"FOLKMOOT_SERVER_NAME": f"'{name}'"}).config.server.server_name == name


@pytest.mark.parametrize(
    "name",
    ["https://example.org", "example.org/", "a b", "a_b", "", "a:b", "[::1", "a" * 231, "@a:b", "a\\n"],
)
def test_other_names_are_refused(mistakes: Mistakes, name: str) -> None:
    (problem,) = mistakes(environ={"FOLKMOOT_SERVER_NAME": f'"{name}"'})
    assert "server_name must be a host name such as example.org" in problem


def test_where_clients_reach_the_server(configure: Configure) -> None:
    assert configure().config.server.public_baseurl is None
    assert configure().config.server.base_url == "https://example.org/"
    assert configure("public_baseurl: https://matrix.a\n").config.server.base_url == "https://matrix.a/"
