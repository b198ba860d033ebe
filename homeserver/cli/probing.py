"""Asking a listener whether a server is behind it."""

import socket
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

from config.listeners import TcpListener

_PROBE_SECONDS = 3
_ON_THIS_MACHINE = {"::": "::1", "0.0.0.0": "127.0.0.1"}


def is_served(listener: TcpListener, address: str) -> bool:
    """Whether a server of ours answers there."""
    connection = connect(listener, address, _PROBE_SECONDS)
    try:
        connection.request("GET", "/metrics" if listener.type == "metrics" else "/health")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return answer.status == 200 and (body == b"OK" or b"folkmoot_" in body)


def connect(listener: TcpListener, address: str, seconds: float) -> HTTPConnection:
    """To a listener on this machine, as soon as something is asked."""
    host = _ON_THIS_MACHINE.get(address, address)
    if not listener.tls:
        return HTTPConnection(host, listener.port, timeout=seconds)
    # Whose certificate it shows does not matter here.
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(host, listener.port, timeout=seconds, context=trusting)


def is_listened_to(path: Path) -> bool:
    """Whether some program answers at the Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
