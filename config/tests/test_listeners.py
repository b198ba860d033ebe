from pathlib import Path

import pytest

from config.listeners import DEFAULT_LISTENERS, Resource, TcpListener, UnixListener
from config.tests.conftest import Configure, Mistakes


def test_by_default_it_listens_on_loopback(configure: Configure) -> None:
    (listener,) = configure().config.listeners
    assert isinstance(listener, TcpListener)
    assert (listener.port, listener.bind_addresses) == (8008, ("127.0.0.1", "::1"))
    assert {"client", "federation", "keys", "media", "openid", "health"} <= listener.resource_names
    assert not listener.tls
    assert not listener.x_forwarded
    assert configure("listeners:\n").config.listeners == DEFAULT_LISTENERS


def test_an_empty_list_listens_nowhere(configure: Configure) -> None:
    assert configure("listeners: []\n").config.listeners == ()


def test_a_tcp_listener(configure: Configure) -> None:
    text = """
listeners:
  - port: 8448
    bind_addresses: ["192.0.2.1"]
    type: http
    tls: false
    x_forwarded: true
    resources:
      - names: [client, metrics]
        compress: true
      - names: [consent]
"""
    (listener,) = configure(text).config.listeners
    assert listener == TcpListener(
        port=8448,
        bind_addresses=("192.0.2.1",),
        x_forwarded=True,
        resources=(Resource(names=("client", "metrics"), compress=True), Resource(names=("consent",))),
    )
    assert listener.resource_names == {"client", "media", "static", "metrics", "consent", "health"}


@pytest.mark.parametrize(
    ("given", "addresses"),
    [
        ("", ("::", "0.0.0.0")),
        (", bind_addresses: []", ("::", "0.0.0.0")),
        (", bind_addresses: null", ("::", "0.0.0.0")),
        (", type: metrics", ("0.0.0.0",)),
        (", bind_address: 127.0.0.1", ("127.0.0.1",)),
        (", bind_addresses: ['::1'], bind_address: 127.0.0.1", ("::1", "127.0.0.1")),
    ],
)
def test_addresses(configure: Configure, given: str, addresses: tuple[str, ...]) -> None:
    (listener,) = configure(f"listeners: [{{port: 80{given}}}]\n").config.listeners
    assert isinstance(listener, TcpListener)
    assert listener.bind_addresses == addresses


def test_a_metrics_listener_serves_nothing_else(configure: Configure) -> None:
    (listener,) = configure("listeners: [{port: 9000, type: metrics}]\n").config.listeners
    assert listener.resource_names == {"metrics"}


def test_a_unix_listener(configure: Configure, tmp_path: Path) -> None:
    text = "listeners: [{path: run/main.sock, type: http, resources: [{names: [client]}]}]\n"
    (listener,) = configure(text).config.listeners
    assert listener == UnixListener(
        path=tmp_path / "run/main.sock",
        mode=0o666,
        x_forwarded=True,
        resources=(Resource(names=("client",)),),
    )
    assert listener.resource_names == {"client", "media", "static", "health"}


def test_a_unix_listener_has_no_use_for_addresses(configure: Configure) -> None:
    text = "listeners: [{path: /s, bind_addresses: ['::'], tls: true, port: null}]\n"
    assert configure(text).config.listeners == (UnixListener(path=Path("/s")),)


@pytest.mark.parametrize("mode", ["0660", "'0660'", "'660'", "'0o660'", "432"])
def test_a_socket_mode_is_octal(configure: Configure, mode: str) -> None:
    (listener,) = configure(f"listeners: [{{path: /s, mode: {mode}}}]\n").config.listeners
    assert isinstance(listener, UnixListener)
    assert listener.mode == 0o660


@pytest.mark.parametrize("mode", ["660", "'999'", "rw", "true", "-1"])
def test_other_socket_modes_are_refused(mistakes: Mistakes, mode: str) -> None:
    (problem,) = mistakes(f"listeners: [{{path: /s, mode: {mode}}}]\n")
    assert 'listeners[0].mode must be a file mode in octal, in quotes, such as "0660"' in problem


def test_what_only_synapse_has_is_left_out(configure: Configure) -> None:
    text = """
listeners:
  - {port: 9000, type: manhole}
  - port: 8008
    tag: main
    resources: [{names: [client, replication]}]
"""
    loaded = configure(text)
    (listener,) = loaded.config.listeners
    assert listener.resources == (Resource(names=("client",)),)
    assert loaded.unused == ("listeners[1].tag",)
    assert [warning.partition(": ")[2] for warning in loaded.warnings] == [
        "listeners[0] is ignored, as there is no manhole",
        "listeners[1].resources[0].names: `replication` is ignored, as there are no workers to talk to",
        "listeners[1].tag",
    ]


@pytest.mark.parametrize(
    ("listener", "problem"),
    [
        ("{type: http}", "listeners[0] needs a port, or the path of a Unix socket"),
        ("{port: 80, path: /s}", "listeners[0] has both a port and a path; make it two listeners"),
        ("8008", "listeners[0] must be a mapping, not 8008"),
        ("{port: 65536}", "listeners[0].port must be at most 65535, not 65536"),
        ("{port: '80'}", 'listeners[0].port must be a whole number, not "80"'),
        ("{port: 80, type: tcp}", 'listeners[0].type must be one of http, metrics, not "tcp"'),
        ("{port: 80, tls: 1}", "listeners[0].tls must be true or false, not 1"),
        ("{port: 80, bind_addresses: '::'}", 'listeners[0].bind_addresses must be a list, not "::"'),
        ("{port: 80, bind_adresses: []}", "there is no setting listeners[0].bind_adresses; "
                                          "did you mean listeners[0].bind_addresses?"),
        ("{port: 80, resources: client}", 'listeners[0].resources must be a list, not "client"'),
        ("{port: 80, resources: [{names: client}]}",
         'listeners[0].resources[0].names must be a list, not "client"'),
        ("{port: 80, resources: [{names: [clients]}]}",
         "listeners[0].resources[0].names[0] must be one of client, federation, keys, media, metrics, "
         'health, static, openid, consent, not "clients"'),
    ],
)  # fmt: skip
def test_mistakes(mistakes: Mistakes, listener: str, problem: str) -> None:
    assert mistakes(f"listeners:\n  - {listener}\n") == [f"homeserver.yaml line 3: {problem}"]


def test_listeners_are_a_list(mistakes: Mistakes) -> None:
    assert mistakes("listeners: {port: 80}\n") == [
        'homeserver.yaml line 2: listeners must be a list, not {"port": 80}'
    ]
